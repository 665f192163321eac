"""Multiply-accumulates of a Keras model for one example."""

import math
from typing import Any

import numpy as np

from tf_lottery.bindings.parts import Macs
from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.exporting.graph import Call, interpret
from tf_lottery.bindings.tf_keras.layers import own_weights

layers = keras.layers
_AT_OUTPUTS = (
    *(layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D),
    *(layers.DepthwiseConv1D, layers.DepthwiseConv2D),
    *(layers.SeparableConv1D, layers.SeparableConv2D),
)
_AT_INPUTS = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)


def macs(model: Any) -> Macs:
    """Counts dense and convolution layers; the lookup of an embedding needs none."""
    everything, nonzero, uncounted = 0, 0, []

    def count(call: Call) -> Any:
        nonlocal everything, nonzero
        positions = _positions(call)
        weights = own_weights(call.layer).values()
        matrices = [w.numpy() for w in weights if len(w.shape) > 1]
        if positions is not None:
            everything += positions * sum(matrix.size for matrix in matrices)
            nonzero += positions * sum(map(np.count_nonzero, matrices))
        elif matrices and not isinstance(call.layer, layers.Embedding):
            uncounted.append(call.path)
        return call.outputs

    interpret(model, model.inputs, count)
    return Macs(everything, int(nonzero), tuple(uncounted))


def _positions(call: Call) -> int | None:
    """How many times each weight is used, or None if that is not known."""
    if isinstance(call.layer, _AT_INPUTS):  # first, as they are convolutions too
        given = tf.nest.flatten((call.args, call.kwargs))
        shape = next(each.shape for each in given if hasattr(each, "shape"))
    elif isinstance(call.layer, _AT_OUTPUTS):
        shape = call.outputs[0].shape
    else:
        return None
    first = getattr(call.layer, "data_format", "channels_last") == "channels_first"
    places = list(shape[2:] if first else shape[1:-1])
    return None if None in places else math.prod(places)
