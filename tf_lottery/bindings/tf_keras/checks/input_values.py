"""What must hold of the numbers that a model takes as integers."""

from typing import Any

import numpy as np

from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.checks.inputs import by_input
from tf_lottery.bindings.tf_keras.data.arrays import flat_values
from tf_lottery.bindings.tf_keras.layers import without_wrapper
from tf_lottery.core.words import warn


def check_whole(model: Any, x: Any, name: str) -> None:
    """Warns of fractions for an integer input: Keras cuts them off silently.

    `x` are arrays, or their specs if the values may not be read.
    """
    for key, tensor, part in by_input(model, x):
        if not (tensor.dtype.is_integer and tf.as_dtype(part.dtype).is_floating):
            continue
        if isinstance(part, tf.TypeSpec):
            found = f"numbers of {part.dtype.name}, of which any"
        elif (fraction := _fraction(part)) is not None:
            found = f"numbers such as {fraction:g}, whose"
        else:
            continue
        warn(
            f"The input {key!r} of the model is {tensor.dtype.name}, and `{name}` has "
            f"{found} fraction Keras cuts off. Round them, or make the input a float "
            "one."
        )


def check_indices(model: Any, x: Any, name: str) -> None:
    """Raises if an `Embedding` that takes an input as it is has no row for an index.

    On some devices Keras silently takes zeros for such indices; on others a step fails.
    """
    for key, tensor, part in by_input(model, x):
        values = flat_values(part)
        if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
            continue
        for node in tensor._keras_history.layer._outbound_nodes:
            layer = without_wrapper(node.layer)
            if isinstance(layer, keras.layers.Embedding):
                _check_rows(layer, values.astype(np.int64), key, name)


def _fraction(part: Any) -> float | None:
    """The first value that is not whole."""
    values = flat_values(part)
    apart = values[values != np.trunc(values)]
    return float(apart[0]) if apart.size else None


def _check_rows(layer: Any, values: Any, key: str, name: str) -> None:
    outside = (values < 0) | (values >= layer.input_dim)
    if outside.any():
        found = ", ".join(map(str, np.unique(values[outside])[:5]))
        raise ValueError(
            f"The input {key!r} of `{name}` must be indices from 0 to "
            f"{layer.input_dim - 1}, as the layer {layer.name!r} has "
            f"input_dim={layer.input_dim}. Received: {found} in "
            f"{int(outside.sum()):,} of {values.size:,} indices. Number what they "
            "stand for from 0, or give the layer a larger `input_dim`."
        )
