"""Which modules belong to Keras, TensorFlow or this package, not to the user."""

KNOWN = (
    *("builtins", "keras", "tf_keras", "tensorflow", "tf_lottery"),
    "tensorflow_model_optimization",
)


def is_known(module: str) -> bool:
    """Whether a module belongs to one of these packages: `keras_of_mine` does not."""
    return module.partition(".")[0] in KNOWN
