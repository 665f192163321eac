"""Which weights of a model can be pruned, and what they are called.

A weight's path is that of its layer in the model without wrappers, then the
weight's own name: `block1/conv/kernel`. A layer that is used several times, in
nested models too, counts once, under the first path.
"""

from collections.abc import Iterator
from typing import Any

from tf_lottery._keras import keras, prune_registry, pruning_wrapper

Registry = prune_registry.PruneRegistry
Wrapper = pruning_wrapper.PruneLowMagnitude


def named_layers(model: Any) -> dict[str, Any]:
    """Layers by path, without their pruning wrappers, nested models walked."""
    layers: dict[int, tuple[str, Any]] = {}
    for path, layer in _walk(model, ""):
        layers.setdefault(id(layer), (path, layer))
    return dict(layers.values())


def named_weights(model: Any) -> dict[str, Any]:
    """Variables by path: of layers, so neither masks nor the optimizer's."""
    weights: dict[str, Any] = {}
    seen: set[int] = set()
    for path, layer in named_layers(model).items():
        for weight in layer.weights:
            if id(weight) not in seen:
                seen.add(id(weight))
                weights[unique(f"{path}/{_own_name(layer, weight)}", weights)] = weight
    return weights


def prunable_weights(layer: Any) -> list[Any]:
    """The trainable weights of a layer that tfmot knows how to prune.

    A layer of your own takes part by a method `get_prunable_weights`. Call this
    on a copy: tfmot gives built-in layers that method.
    """
    if not hasattr(layer, "get_prunable_weights"):
        if not Registry.supports(layer):
            return []
        Registry.make_prunable(layer)
    trainable = {id(weight) for weight in layer.trainable_weights}
    return [w for w in layer.get_prunable_weights() if id(w) in trainable]


def skipped_layers(model: Any) -> list[str]:
    """Layers with a trainable matrix that cannot be pruned, "path (class)"."""
    return [
        f"{path} ({type(layer).__name__})"
        for path, layer in named_layers(model).items()
        if not prunable_weights(layer)
        and any(len(weight.shape) > 1 for weight in layer.trainable_weights)
    ]


def without_wrapper(layer: Any) -> Any:
    """The layer inside a pruning wrapper; any other as it is."""
    return layer.layer if isinstance(layer, Wrapper) else layer


def finalize(model: Any) -> None:
    """Lets layers take up the weights that were assigned to them.

    `Normalization` computes with a copy of its adapted mean and variance.
    """
    for layer in named_layers(model).values():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def unique(name: str, taken: Any) -> str:
    """The name, with a number behind it where it is taken."""
    candidate, number = name, 0
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def _walk(model: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for layer in model.layers:
        inner = without_wrapper(layer)
        path = f"{prefix}{inner.name}"
        if isinstance(inner, keras.Model):
            yield from _walk(inner, f"{path}/")
        else:
            yield path, inner


def _own_name(layer: Any, weight: Any) -> str:
    name = weight.name.split(":")[0]
    if name.startswith(f"{layer.name}/"):
        return str(name[len(layer.name) + 1 :])
    parts = name.split("/")
    if layer.name in parts[:-1]:
        return "/".join(parts[parts.index(layer.name) + 1 :])
    return str(name)
