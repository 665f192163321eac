"""Rounds of training and pruning, written to a run directory."""
