"""Which weights of a model can be pruned, and what they are called.

Paths are those of the tf_keras binding: the layer in the model, the part of the layer
that holds the weight, and the weight's own name. So a ticket of one Keras fits the same
architecture in the other.
"""

import fnmatch
from collections.abc import Collection, Iterator
from typing import Any

from tf_lottery.bindings.keras3._imports import keras
from tf_lottery.bindings.keras3.arrays import array_of
from tf_lottery.bindings.shared.layers import (
    DEPTHWISE,
    KERNELS,
    asked_for,
    layers_by_path,
)
from tf_lottery.bindings.shared.naming import (
    Names,
    layer_names,
    parts,
    weight_name,
)
from tf_lottery.core.naming import unique

_DEPTHWISE_LAYERS = keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D


def named_layers(model: Any, names: Names = layer_names) -> dict[str, Any]:
    """Layers by path, nested models walked; a shared layer has its first path."""
    return layers_by_path(model, names, keras.Model)


def inner_layers(model: Any) -> Iterator[tuple[str, Any]]:
    """Each layer and the layers inside it, with the path of the outer one."""
    for path, layer in named_layers(model).items():
        for part in layer._flatten_layers():
            yield path, part


def named_weights(model: Any, names: Names = layer_names) -> dict[str, Any]:
    """The variables of layers by path, without masks and the optimizer's.

    `names` gives the names of neighbouring layers; `own_names` of copies differ.
    """
    weights: dict[str, Any] = {}
    seen = {id(state) for state in carried(model)}
    for path, layer in named_layers(model, names).items():
        for name, weight in own_weights(layer, names).items():
            if id(weight) not in seen:
                seen.add(id(weight))
                weights[unique(f"{path}/{name}", weights)] = weight
    for weight in model.weights:  # of the model itself
        if id(weight) not in seen:
            seen.add(id(weight))
            weights[unique(weight.name, weights)] = weight
    return weights


def carried(model: Any) -> list[Any]:
    """What the stateful recurrent layers of a model carry from batch to batch."""
    found = []
    for _, part in inner_layers(model):
        if getattr(part, "stateful", False):
            found += keras.tree.flatten(getattr(part, "states", None))
    return [state for state in found if state is not None]


def rows_needed(model: Any) -> int | None:
    """How many rows each batch must have, as stateful layers ask; None: any number."""
    states = carried(model)
    return int(states[0].shape[0]) if states else None


def weights_of(model: Any) -> dict[str, Any]:
    """See `Binding.weights_of`."""
    return {path: array_of(weight) for path, weight in named_weights(model).items()}


def trainable(model: Any) -> set[str]:
    """See `Binding.trainable`."""
    known = {id(weight) for weight in model.trainable_weights}
    return {path for path, each in named_weights(model).items() if id(each) in known}


def own_weights(layer: Any, names: Names = layer_names) -> dict[str, Any]:
    """A layer's variables by the names of its parts, such as `lstm_cell/kernel`."""
    weights: dict[str, Any] = {}
    seen: set[int] = set()
    for prefix, part in parts(layer, names=names):
        for weight in (*part._trainable_variables, *part._non_trainable_variables):
            if id(weight) not in seen:
                seen.add(id(weight))
                weights[unique(f"{prefix}{_name(weight, part)}", weights)] = weight
    return weights


def weights_to_mask(
    model: Any, keys: Collection[str], held: Collection[str] = ()
) -> dict[str, Any]:
    """The weights that get masks, by path.

    `keys` are those of `layer_rates`; weights whose paths are `held` get one in any
    case.
    """
    asked = asked_for(keys)
    trained = {id(weight) for weight in model.trainable_weights}
    return {
        path: weight
        for path, weight in named_weights(model).items()
        if path in held
        or (
            id(weight) in trained
            and len(weight.shape) > 1
            and (
                path.rpartition("/")[2] in KERNELS
                or any(fnmatch.fnmatchcase(path, key) for key in asked)
            )
        )
    }


def skipped_layers(model: Any) -> list[str]:
    """Layers with a trainable matrix and no weight to prune, "path (class)".

    Depthwise convolutions, which are left dense by choice, are not among them.
    """
    skipped = []
    trained = {id(weight) for weight in model.trainable_weights}
    for path, layer in named_layers(model).items():
        matrices = {
            name.rpartition("/")[2]
            for name, weight in own_weights(layer).items()
            if id(weight) in trained and len(weight.shape) > 1
        }
        if matrices - {DEPTHWISE} and not matrices & {*KERNELS}:
            skipped.append(f"{path} ({type(layer).__name__})")
    return skipped


def finalize(model: Any) -> None:
    """Lets layers take up the weights that were assigned to them.

    `Normalization` computes with a copy of its adapted mean and variance.
    """
    for _, part in inner_layers(model):
        if hasattr(part, "finalize_state"):
            part.finalize_state()


def _name(weight: Any, part: Any) -> str:
    if weight.name == "kernel" and isinstance(part, _DEPTHWISE_LAYERS):
        return DEPTHWISE  # as tf_keras calls it
    return weight_name(weight, part)
