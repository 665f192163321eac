"""Layers of a user's module: one that runs on each backend, and one that does not."""

import keras


class Scale(keras.layers.Layer):
    """Doubles the size of its inputs."""

    def call(self, inputs):
        return 2.0 * keras.ops.abs(inputs)


@keras.saving.register_keras_serializable("mine")
def doubled(inputs):
    """An activation that is registered with Keras."""
    return 2.0 * inputs


class Native(keras.layers.Layer):
    """Fails on TensorFlow, as what calls another backend itself does."""

    def call(self, inputs):
        if keras.backend.backend() == "tensorflow":
            raise TypeError("abs requires an array of its own backend")
        return keras.ops.abs(inputs)
