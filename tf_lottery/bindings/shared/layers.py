"""The layers of a model by path, and which weights can be pruned by their name."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tf_lottery.bindings.shared.naming import Names

KERNELS = ("kernel", "recurrent_kernel", "embeddings", "pointwise_kernel")
DEPTHWISE = "depthwise_kernel"


def layers_by_path(
    model: Any, names: Names, base: Any, inner: Callable[[Any], Any] = lambda part: part
) -> dict[str, Any]:
    """Layers by path, each once, under the first; models inside the model are walked.

    `base` is the class of models; `inner` gives the layer inside a wrapper.
    """

    def walk(model: Any, prefix: str) -> Iterator[tuple[str, Any]]:
        # A layer may be in the model, and in a list that is an attribute of it.
        layers = list({id(layer): layer for layer in map(inner, model.layers)}.values())
        for name, layer in zip(names(layers), layers, strict=True):
            if isinstance(layer, base):
                yield from walk(layer, f"{prefix}{name}/")
            else:
                yield f"{prefix}{name}", layer

    found: dict[int, tuple[str, Any]] = {}
    for path, layer in walk(model, ""):
        found.setdefault(id(layer), (path, layer))
    return dict(found.values())


def asked_for(keys: Iterable[str]) -> list[str]:
    """The keys that name depthwise kernels in full, like "*/depthwise_kernel".

    Such kernels are small, and only pruned if a rate or a mask names them.
    """
    return [key for key in keys if key.split("/")[-1] == DEPTHWISE]
