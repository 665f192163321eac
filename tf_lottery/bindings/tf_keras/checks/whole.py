"""Whether numbers for integer inputs are whole: Keras cuts fractions off in silence."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.bindings.tf_keras.checks.data import by_input
from tf_lottery.bindings.tf_keras.data.arrays import flat_values
from tf_lottery.core.words import warn


def check_whole(model: Any, x: Any, name: str) -> None:
    """Warns of values with a fraction that an input takes as integers.

    Args:
        model: A model whose inputs have dtypes.
        x: Arrays, or their specs where nobody may look at the values.
        name: What to call the data.
    """
    for key, dtype, part in _floats_for_integers(model, x):
        if isinstance(part, tf.TypeSpec):
            found = f"numbers of {part.dtype.name}, of which any"
        elif (fraction := _fraction(part)) is not None:
            found = f"numbers such as {fraction:g}, whose"
        else:
            continue
        warn(
            f"The input {key!r} of the model is {dtype.name}, and `{name}` has {found} "
            "fraction Keras cuts off. Round them, or make the input a float one."
        )


def _floats_for_integers(model: Any, x: Any) -> Iterator[tuple[str, Any, Any]]:
    for key, tensor, part in by_input(model, x):
        if tensor.dtype.is_integer and tf.as_dtype(part.dtype).is_floating:
            yield key, tensor.dtype, part


def _fraction(part: Any) -> float | None:
    """The first value that is not whole."""
    values = flat_values(part)
    apart = values[values != np.trunc(values)]
    return float(apart[0]) if apart.size else None
