"""Values of a model that trainings may read and none changes, such as a teacher's."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.copying.attributes import own_attributes, plain_model
from tf_lottery.bindings.tf_keras.layers import graph_layers, named_weights


def fixed_values(model: Any) -> dict[str, str]:
    """Digests by name: of frozen weights outside the graph, and of arrays.

    Weights of the graph, and those that are trained, are in a ticket's state instead.
    """
    left_out = {id(weight) for weight in model.trainable_weights}
    left_out |= set(map(id, _in_graph(model)))
    left_out |= {id(w) for part in _metrics(model) for w in part.variables}
    arrays = {
        path: weight.numpy()
        for path, weight in named_weights(model).items()
        if id(weight) not in left_out and weight.dtype.is_floating
    }
    for name, value in own_attributes(model, plain_model()):
        for number, part in enumerate(_arrays_in(value)):
            arrays[f"{name}[{number}]" if number else name] = part
    return {name: _digest(array) for name, array in sorted(arrays.items())}


def _in_graph(model: Any) -> Iterator[Any]:
    """The weights of layers that the graph calls, those of nested models too."""
    if not hasattr(model, "_nodes_by_depth"):
        yield from model.weights
        return
    for layer in graph_layers(model):
        yield from _in_graph(layer) if layer is not model else ()


def _metrics(model: Any) -> list[Any]:
    return [part for part in model.submodules if isinstance(part, keras.metrics.Metric)]


def _arrays_in(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = [value[key] for key in value]
    if isinstance(value, list | tuple):
        for part in value:
            yield from _arrays_in(part)
    elif isinstance(value, np.ndarray | tf.__internal__.EagerTensor):
        array = np.asarray(value)
        if array.dtype != object:
            yield array


def _digest(array: Any) -> str:
    values = np.ascontiguousarray(array)
    kind = f"{values.dtype}{values.shape}".encode()
    return hashlib.sha256(kind + values.tobytes()).hexdigest()[:16]
