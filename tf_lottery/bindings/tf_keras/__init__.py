"""The binding of tf_keras (Keras 2), by tfmot's wrappers."""
