"""Multiply-accumulates of a Keras model for one example."""

import math
from typing import Any

import numpy as np

from tf_lottery.bindings.parts import Macs
from tf_lottery.bindings.shared.exporting.graphs import Call, Graphs
from tf_lottery.bindings.shared.naming import is_a

_AT_OUTPUTS = (
    *("Dense", "Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D", "DepthwiseConv2D"),
    *("SeparableConv1D", "SeparableConv2D"),
)
_AT_INPUTS = ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")


def macs(graphs: Graphs, model: Any) -> Macs:
    """Counts dense and convolution layers; the lookup of an embedding needs none."""
    everything, nonzero, uncounted = 0, 0, []

    def count(call: Call) -> Any:
        nonlocal everything, nonzero
        positions = _positions(call)
        weights = graphs.own_weights(call.layer).values()
        matrices = [graphs.array(w) for w in weights if len(w.shape) > 1]
        if positions is not None:
            everything += positions * sum(matrix.size for matrix in matrices)
            nonzero += positions * sum(map(np.count_nonzero, matrices))
        elif matrices and not is_a(call.layer, "Embedding"):
            uncounted.append(call.path)
        return call.outputs

    graphs.interpret(model, model.inputs, count)
    return Macs(everything, int(nonzero), tuple(uncounted))


def _positions(call: Call) -> int | None:
    """How many times each weight is used, or None if that is not known."""
    if _is_one_of(call.layer, _AT_INPUTS):  # first, as they are convolutions too
        shape = next(each.shape for each in call.taken if hasattr(each, "shape"))
    elif _is_one_of(call.layer, _AT_OUTPUTS):
        shape = call.outputs[0].shape
    else:
        return None
    first = getattr(call.layer, "data_format", "channels_last") == "channels_first"
    places = list(shape[2:] if first else shape[1:-1])
    return None if None in places else math.prod(places)


def _is_one_of(layer: Any, kinds: tuple[str, ...]) -> bool:
    return any(is_a(layer, kind) for kind in kinds)
