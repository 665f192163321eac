"""What bindings share on TensorFlow: its devices, and batches by `tf.data`."""
