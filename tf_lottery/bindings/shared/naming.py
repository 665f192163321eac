"""The names of a model's layers, and of the parts of layers, that survive copies."""

import collections
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tf_lottery.core import naming
from tf_lottery.core.packages import is_known

Names = Callable[[Iterable[Any]], list[str]]

_MODELS = ("Sequential", "Model")


def layer_names(layers: Iterable[Any]) -> list[str]:
    """The names of neighbouring layers in their order, see `core.naming`."""
    listed = list(layers)
    inside = [part for layer in listed for part in layer._flatten_layers()]
    bases = (naming.counted_base(part.name, _classes(part)) for part in inside)
    counts = collections.Counter(base for base in bases if base is not None)
    things = ((layer.name, _classes(layer)) for layer in listed)
    return naming.stable_names(things, counts, map(_sizes, listed))


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


def is_a(layer: Any, kind: str) -> bool:
    """Whether it is of one of Keras' own classes, such as "Model", or below it."""
    mro = type(layer).__mro__
    return any(each.__name__ == kind and is_known(each.__module__) for each in mro)


def last_name(variable: Any) -> str:
    """The last part of a variable's name."""
    return str(variable.name.split(":")[0].split("/")[-1])


def weight_name(weight: Any, layer: Any) -> str:
    """The last part of a weight's name, equal in copies of its layer.

    Some layers, such as those of quantization, put their own name into it.
    """
    name = last_name(weight)
    base = naming.counted_base(layer.name, _classes(layer))
    if base and name.startswith(f"{layer.name}_"):
        return base + name.removeprefix(layer.name)
    return name


def _sizes(layer: Any) -> set[int]:
    """The whole numbers that a layer was made with, as far as it shows them."""
    shown = (value for name, value in vars(layer).items() if name[0] != "_")
    return {value for value in shown if type(value) is int}


def _classes(layer: Any) -> list[str]:
    kinds = [type(layer).__name__]
    kinds += [kind for kind in _MODELS if is_a(layer, kind)]
    if hasattr(inner := getattr(layer, "layer", None), "_flatten_layers"):
        kinds.append(type(inner).__name__)  # a wrapper may be called after its layer
    return kinds
