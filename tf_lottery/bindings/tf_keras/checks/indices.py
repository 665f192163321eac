"""Whether indices are those of an `Embedding` that takes an input as it is."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.bindings.tf_keras.checks.data import by_input
from tf_lottery.bindings.tf_keras.data.arrays import flat_values
from tf_lottery.bindings.tf_keras.layers import without_wrapper


def check_indices(model: Any, x: Any, name: str) -> None:
    """Raises of indices that an `Embedding` has no row for.

    On some devices Keras takes zeros for these in silence; on others a step fails.

    Args:
        model: A model whose graph says which layers take its inputs.
        x: Arrays.
        name: What to call the data.
    """
    for key, layer, values in _indices(model, x):
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


def _indices(model: Any, x: Any) -> Iterator[tuple[str, Any, Any]]:
    for key, tensor, part in by_input(model, x):
        values = flat_values(part)
        if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
            continue
        for node in tensor._keras_history.layer._outbound_nodes:
            layer = without_wrapper(node.layer)
            if isinstance(layer, keras.layers.Embedding):
                yield key, layer, values.astype(np.int64)
