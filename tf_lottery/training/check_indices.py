"""Whether indices are those of an `Embedding` that takes an input as it is."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tf_lottery._keras import keras, tf
from tf_lottery.pruning.layers import without_wrapper
from tf_lottery.training.arrays import flat_values
from tf_lottery.training.check_data import input_names


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
    names = input_names(model)
    parts = [x[key] for key in names] if isinstance(x, Mapping) else tf.nest.flatten(x)
    for key, tensor, part in zip(names, model.inputs, parts, strict=False):
        values = flat_values(part)
        if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
            continue
        for node in tensor._keras_history.layer._outbound_nodes:
            layer = without_wrapper(node.layer)
            if isinstance(layer, keras.layers.Embedding):
                yield key, layer, values.astype(np.int64)
