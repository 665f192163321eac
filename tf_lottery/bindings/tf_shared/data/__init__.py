"""Batches by `tf.data`, whatever form the data came in."""
