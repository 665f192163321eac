"""How layers without weights pass the units of their inputs on.

Each position of a tensor's last axis is a unit with a number. Activations and pooling
treat each unit alone and pass the numbers on, Flatten repeats them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.exporting.graph import Call

Floats = NDArray[np.floating]
Numbers = NDArray[np.int64]

NOT_ALONE = "its activation does not treat units alone"

layers = keras.layers
_ALONE = (
    *(layers.ReLU, layers.LeakyReLU, layers.ELU, layers.ThresholdedReLU),
    *(layers.Dropout, layers.AlphaDropout, layers.GaussianDropout),
    *(layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D),
    *(layers.GaussianNoise, layers.ActivityRegularization, layers.Identity),
)
_POOLING = tuple(
    getattr(layers, f"{kind}Pooling{axes}D")
    for kind in ("Max", "Average", "GlobalMax", "GlobalAverage")
    for axes in (1, 2, 3)
)
_PADDING = (layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D)
_ELEMENTWISE = tuple(
    getattr(module, name)
    for module in (keras.activations, tf.nn)
    for name in (
        *("elu", "exponential", "gelu", "hard_sigmoid", "leaky_relu", "linear", "mish"),
        *("relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softsign"),
        *("swish", "tanh"),
    )
    if hasattr(module, name)
)


@dataclass(frozen=True)
class Units:
    """The last axis of a tensor.

    Attributes:
        numbers: Which unit each position is.
        constants: The value of units that never vary, else NaN.
    """

    numbers: Numbers
    constants: Floats

    def __len__(self) -> int:
        return len(self.numbers)


class NotFollowed(Exception):
    """Why a layer keeps all of its units."""


def taken(call: Call) -> list[Units]:
    """The units that a call takes; it must take nothing else."""
    others = dict(call.kwargs)
    if others.pop("training", None) not in (None, False):
        raise NotFollowed("called in training mode")
    units = tf.nest.flatten((call.args, others))
    if not all(isinstance(each, Units) for each in units):
        raise NotFollowed("called with more than layers' outputs")
    return list(units)


def computed(call: Call, *units: Units) -> Floats:
    """The constants that a layer computes from those of its inputs, unit by unit."""
    shape = [1] * (call.outputs[0].shape.rank - 1) + [-1]
    values = [tf.constant(each.constants.reshape(shape)) for each in units]
    inputs = tf.nest.pack_sequence_as(call.args[0], values)
    outputs = call.layer(inputs, training=False).numpy().ravel()
    # Not every layer makes NaN of NaN on every device.
    varying = np.isnan([each.constants for each in units]).any(axis=0)
    return np.where(varying, np.nan, finite(outputs))


def finite(values: Floats) -> Floats:
    """Values in double precision; an infinite one, which no bias can take, is NaN."""
    values = values.astype(np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def alone(call: Call, before: Units) -> Units:
    """The units of a layer that treats each unit alone."""
    return Units(before.numbers, computed(call, before))


def check_last_axis(layer: Any) -> None:
    """Raises NotFollowed if the units of a layer are not on the last axis."""
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise NotFollowed("its channels are not last")


def is_elementwise(activation: Any) -> bool:
    """Whether an activation is known to treat each unit alone."""
    return activation in _ELEMENTWISE or type(activation) in _ALONE


def _activation(call: Call, before: Units) -> Units:
    if not is_elementwise(call.layer.activation):
        raise NotFollowed(NOT_ALONE)
    return alone(call, before)


def _pooling(call: Call, before: Units) -> Units:
    check_last_axis(call.layer)
    return before


def _padding(call: Call, before: Units) -> Units:
    check_last_axis(call.layer)
    constants = np.where(before.constants == 0, before.constants, np.nan)
    return Units(before.numbers, constants)


def _flatten(call: Call, before: Units) -> Units:
    check_last_axis(call.layer)
    length = call.outputs[0].shape[-1]
    if not len(before) or length is None:
        raise NotFollowed("its length is open")
    times = length // len(before)
    return Units(np.tile(before.numbers, times), np.tile(before.constants, times))


def _concatenate(call: Call, *units: Units) -> Units:
    if call.layer.axis not in (-1, len(call.outputs[0].shape) - 1):
        raise NotFollowed("its axis is not the last")
    numbers, constants = zip(*((u.numbers, u.constants) for u in units), strict=True)
    return Units(np.concatenate(numbers), np.concatenate(constants))


RULES: Mapping[type, Callable[..., Units]] = {
    **dict.fromkeys(_ALONE, alone),
    **dict.fromkeys(_POOLING, _pooling),
    **dict.fromkeys(_PADDING, _padding),
    layers.Activation: _activation,
    layers.Flatten: _flatten,
    layers.Concatenate: _concatenate,
}
