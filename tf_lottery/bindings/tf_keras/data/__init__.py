"""Batches of whatever form the data came in."""
