"""The names of a model's layers, and of the parts of layers, that survive copies."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tf_lottery._keras import keras
from tf_lottery.core import naming

Names = Callable[[Iterable[Any]], list[str]]

_MODELS = (keras.Sequential, keras.Model)


def layer_names(layers: Iterable[Any]) -> list[str]:
    """The names of neighbouring layers in their order, see `core.naming`."""
    return naming.stable_names((layer.name, _classes(layer)) for layer in layers)


def own_names(layers: Iterable[Any]) -> list[str]:
    """The names of layers as Keras has them now."""
    return [layer.name for layer in layers]


def parts(
    layer: Any, prefix: str = "", names: Names = layer_names
) -> Iterator[tuple[str, Any]]:
    """A layer and the layers inside it, each with the path that leads to it."""
    yield prefix, layer
    inside = list(layer._flatten_layers(recursive=False, include_self=False))
    for name, part in zip(names(inside), inside, strict=True):
        yield from parts(part, f"{prefix}{name}/", names)


def _classes(layer: Any) -> list[str]:
    kinds = [type(layer)]
    kinds += [kind for kind in _MODELS if isinstance(layer, kind)]
    if isinstance(inner := getattr(layer, "layer", None), keras.layers.Layer):
        kinds.append(type(inner))  # a wrapper may be called after its layer
    return [kind.__name__ for kind in kinds]
