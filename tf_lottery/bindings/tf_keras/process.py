"""What TensorFlow and Keras keep for a whole process."""

import contextlib
from collections.abc import Iterator

from tf_lottery.bindings.tf_keras._imports import keras, tf


def start() -> None:
    """Looks for devices, of which TensorFlow writes lines to the standard error."""
    tf.config.list_logical_devices()


@contextlib.contextmanager
def under(dtype_policy: str | None) -> Iterator[None]:
    """Makes models under a dtype policy; by default under that which is set."""
    before = keras.mixed_precision.global_policy()
    if dtype_policy is not None:
        keras.mixed_precision.set_global_policy(dtype_policy)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)
