"""Which modules are of Keras, TensorFlow and this package, and not of the user."""

KNOWN = (
    *("builtins", "keras", "tf_keras", "tensorflow", "tf_lottery"),
    "tensorflow_model_optimization",
)


def is_known(module: str) -> bool:
    """Whether a module, by its full name, is one of these.

    Example:
        >>> is_known("tf_keras.src.layers"), is_known("keras_of_mine")
        (True, False)
    """
    return module.partition(".")[0] in KNOWN
