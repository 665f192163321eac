"""Layers that attributes of a model hold, and that are built when they are called.

In a copy they are built before the training step is traced, and their random generators
become part of its state.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.bindings.tf_keras.copying.attributes import own_attributes, plain_model


def build_held(model: Any) -> None:
    """Builds layers without weights in attributes of a copy, such as random changes.

    For the shape of the model's inputs: without weights a layer takes others, too.

    Raises:
        ValueError: A layer that the user must build, as only a call says its shape.
    """
    if not model.built:
        return
    own = dict(own_attributes(model, plain_model()))
    for name in sorted(own):
        for layer in _unbuilt(own[name]):
            _build(layer, name, model.input_shape)


def _build(layer: Any, name: str, shape: Any) -> None:
    try:
        layer.build(shape)
    except Exception as error:  # layers raise whatever they like
        raise _must_be_built(name, layer) from error
    if layer.weights:
        raise _must_be_built(name, layer)


def _unbuilt(held: Any) -> Iterator[Any]:
    if isinstance(held, list | tuple | Mapping):
        for part in held.values() if isinstance(held, Mapping) else held:
            yield from _unbuilt(part)
    elif isinstance(held, keras.layers.Layer) and not held.built:
        yield held


def _must_be_built(name: str, layer: Any) -> ValueError:
    return ValueError(
        "A layer that is an attribute of the model must be built before the search for "
        f"its weights to be copied and rewound. Received: {name!r} "
        f"({type(layer).__name__}), which was not called yet. Call "
        f"`model.{name}.build(shape)` with the shape of its inputs first."
    )
