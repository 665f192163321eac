"""Values of a model that no training changes, such as the weights of a teacher."""

from typing import Any

import numpy as np

from tf_lottery.bindings.shared.comparable import digests
from tf_lottery.bindings.shared.objects import items
from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.copying.attributes import own_attributes
from tf_lottery.bindings.tf_keras.layers import graph_layers, named_weights


def fixed_values(model: Any) -> dict[str, str]:
    """Digests by name: of frozen weights outside the graph, and of arrays.

    Weights of the graph, and those that are trained, are in a ticket's state instead.
    """
    metrics = [m for m in model.submodules if isinstance(m, keras.metrics.Metric)]
    left_out = {id(weight) for weight in (*model.trainable_weights, *_in_graph(model))}
    left_out |= {id(weight) for metric in metrics for weight in metric.variables}
    arrays = {
        path: weight.numpy()
        for path, weight in named_weights(model).items()
        if id(weight) not in left_out and weight.dtype.is_floating
    }
    for name, value in own_attributes(model):
        kinds = np.ndarray | tf.__internal__.EagerTensor
        found = [np.asarray(part) for part in items(value) if isinstance(part, kinds)]
        numbers = [array for array in found if array.dtype != object]
        for number, array in enumerate(numbers):
            arrays[f"{name}[{number}]" if number else name] = array
    return digests(arrays)


def _in_graph(model: Any) -> list[Any]:
    """The weights of layers that the graph calls, those of nested models too."""
    if not hasattr(model, "_nodes_by_depth"):
        return list(model.weights)
    inside = (layer for layer in graph_layers(model) if layer is not model)
    return [weight for layer in inside for weight in _in_graph(layer)]
