"""Which modules belong to Keras, TensorFlow or this package, not to the user."""

KNOWN = (
    *("builtins", "keras", "tf_keras", "tensorflow", "tf_lottery"),
    "tensorflow_model_optimization",
)


def is_known(module: str) -> bool:
    """Whether the module with this full name belongs to one of these packages.

    Example:
        >>> is_known("tf_keras.src.layers"), is_known("keras_of_mine")
        (True, False)
    """
    return module.partition(".")[0] in KNOWN
