"""What the mask of a variable of TensorFlow keeps of a value."""

import functools
from typing import Any

from tf_lottery.bindings.shared import guard as shared
from tf_lottery.bindings.tf_keras._imports import tf


def guard(weight: Any, mask: Any) -> None:
    """Makes assignments to a variable set only what the variable of its mask keeps."""
    keep = functools.partial(_kept, mask)
    shared.guard(weight, keep, "assign", "assign_add", "assign_sub")


def _kept(mask: Any, value: Any) -> Any:
    if not mask.shape.is_compatible_with(tf.convert_to_tensor(value).shape):
        return value  # `assign` refuses it; a mask must not stretch it
    value = tf.cast(value, mask.dtype)
    return tf.where(tf.convert_to_tensor(mask) != 0, value, tf.zeros_like(value))
