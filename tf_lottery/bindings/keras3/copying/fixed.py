"""Values of a model that no training changes, such as the weights of a teacher."""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from tf_lottery.bindings.keras3._imports import backend, keras
from tf_lottery.bindings.keras3.arrays import array_of
from tf_lottery.bindings.keras3.layers import named_weights, own_weights
from tf_lottery.bindings.shared.comparable import digests
from tf_lottery.bindings.shared.objects import items
from tf_lottery.core.naming import unique


def fixed_values(model: Any) -> dict[str, str]:
    """Digests by name: of frozen weights outside the graph, and of arrays.

    Weights of the graph, and those that are trained, are in a ticket's state instead.
    """
    left_out = {id(weight) for weight in (*model.trainable_weights, *_in_graph(model))}
    arrays = {
        path: array_of(weight)
        for path, weight in named_weights(model).items()
        if id(weight) not in left_out
    }
    in_state = {id(weight) for weight in named_weights(model).values()}
    for name, value in own_attributes(model).items():
        for path, weight in _weights_in(value):
            if id(weight) not in in_state:
                arrays[unique(f"{name}/{path}", arrays)] = array_of(weight)
        found = [part for part in items(value) if _is_array(part)]
        for number, part in enumerate(found):
            key = f"{name}[{number}]" if number else name
            arrays[key] = np.asarray(keras.ops.convert_to_numpy(part))
    return digests(arrays)


def own_attributes(model: Any) -> dict[str, Any]:
    """What the user set on a model: what Keras does not set on any."""
    known = {*vars(_plain_model()), *_modules(_plain_model()), "_tracked"}
    held = _modules(model)
    return {
        name: value
        for name, value in sorted({**held, **vars(model)}.items())
        if name not in known and not name.startswith("_self_")
    }


def _modules(model: Any) -> dict[str, Any]:
    """The layers that PyTorch keeps for the attributes of a module."""
    return dict(vars(model).get("_modules", {}))


def _weights_in(value: Any) -> Iterator[tuple[str, Any]]:
    """The weights of layers and models that an attribute holds, by path."""
    for part in items(value):
        if isinstance(part, keras.Model):
            yield from named_weights(part).items()
        elif isinstance(part, keras.layers.Layer):
            yield from own_weights(part).items()


def _is_array(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return bool(value.dtype != object)
    return bool(keras.ops.is_tensor(value)) and backend.is_constant(value)


def _in_graph(model: Any) -> list[Any]:
    """The weights of layers that the graph calls; of a subclassed model all."""
    graph = getattr(model, "_functional", model)
    if not isinstance(graph, keras.Function):
        return list(model.weights)
    inside = [op for op in graph.operations if isinstance(op, keras.layers.Layer)]
    return [
        weight
        for layer in inside
        for weight in (
            _in_graph(layer) if isinstance(layer, keras.Model) else layer.weights
        )
    ]


@functools.cache
def _plain_model() -> Any:
    """A model that was built, compiled and trained, to see what Keras sets itself."""
    layers = [keras.Input((1,), name="input"), keras.layers.Dense(1, name="dense")]
    model = keras.Sequential(layers, name="plain")
    model.compile(loss="mse")
    functional = keras.Model(model.inputs, model.outputs, name="plain_functional")
    names = {*vars(model), *vars(functional), "_functional", "history"}
    for name in names - vars(model).keys():
        vars(model)[name] = None
    return model
