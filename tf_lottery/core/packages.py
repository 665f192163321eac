"""Packages: which are Keras, TensorFlow or this one, and how to install extras."""

KNOWN = (
    *("builtins", "keras", "tf_keras", "tensorflow", "tf_lottery"),
    "tensorflow_model_optimization",
)


def is_known(module: str) -> bool:
    """Whether a module belongs to one of these packages: `keras_of_mine` does not."""
    return module.partition(".")[0] in KNOWN


def install(extra: str) -> str:
    """How to install an extra, for an error of what needs it."""
    return (
        f'Install the extra `{extra}`: `pip install -e ".[{extra}]"` in the directory '
        "of tf_lottery."
    )
