"""How layers without weights pass the units of their inputs on.

Each position of a tensor's last axis is a unit with a number. Activations and pooling
treat each unit alone and pass the numbers on, Flatten repeats them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery.bindings.shared.exporting.graphs import Call, Graphs, kind_of

Floats = NDArray[np.floating]
Numbers = NDArray[np.int64]

NOT_ALONE = "its activation does not treat units alone"

_ALONE = (
    *("ReLU", "LeakyReLU", "ELU", "ThresholdedReLU"),
    *("Dropout", "AlphaDropout", "GaussianDropout"),
    *("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
    *("GaussianNoise", "ActivityRegularization", "Identity"),
)
_POOLING = tuple(
    f"{kind}Pooling{axes}D"
    for kind in ("Max", "Average", "GlobalMax", "GlobalAverage")
    for axes in (1, 2, 3)
)
_PADDING = ("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
_ACTIVATIONS = (
    *("celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid"),
    *("hard_silu", "hard_swish", "hard_tanh", "leaky_relu", "linear", "log_sigmoid"),
    *("mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softplus"),
    *("softsign", "sparse_plus", "squareplus", "swish", "tanh", "tanh_shrink"),
    "threshold",
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
    if not all(isinstance(each, Units) for each in call.taken):
        raise NotFollowed("called with more than layers' outputs")
    return call.taken


def computed(graphs: Graphs, call: Call, *units: Units) -> Floats:
    """The constants that a layer computes from those of its inputs, unit by unit."""
    shape = [1] * (len(call.shape) - 1) + [-1]
    values = [graphs.tensor(each.constants.reshape(shape)) for each in units]
    inputs = values if len(values) > 1 else values[0]
    outputs = graphs.array(call.layer(inputs, training=False)).ravel()
    # Not every layer makes NaN of NaN on every device.
    varying = np.isnan([each.constants for each in units]).any(axis=0)
    return np.where(varying, np.nan, finite(outputs))


def finite(values: Floats) -> Floats:
    """Values in double precision; an infinite one, which no bias can take, is NaN."""
    values = values.astype(np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def alone(graphs: Graphs, call: Call, before: Units) -> Units:
    """The units of a layer that treats each unit alone."""
    return Units(before.numbers, computed(graphs, call, before))


def check_last_axis(layer: Any) -> None:
    """Raises NotFollowed if the units of a layer are not on the last axis."""
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise NotFollowed("its channels are not last")


def is_elementwise(graphs: Graphs, activation: Any) -> bool:
    """Whether an activation is known to treat each unit alone."""
    known = (
        getattr(module, name, None)
        for module in graphs.ELEMENTWISE
        for name in _ACTIVATIONS
    )
    return activation in known or kind_of(graphs, activation) in _ALONE


def _activation(graphs: Graphs, call: Call, before: Units) -> Units:
    if not is_elementwise(graphs, call.layer.activation):
        raise NotFollowed(NOT_ALONE)
    return alone(graphs, call, before)


def _pooling(graphs: Graphs, call: Call, before: Units) -> Units:
    check_last_axis(call.layer)
    return before


def _padding(graphs: Graphs, call: Call, before: Units) -> Units:
    check_last_axis(call.layer)
    constants = np.where(before.constants == 0, before.constants, np.nan)
    return Units(before.numbers, constants)


def _flatten(graphs: Graphs, call: Call, before: Units) -> Units:
    check_last_axis(call.layer)
    length = call.shape[-1]
    if not len(before) or length is None:
        raise NotFollowed("its length is open")
    times = length // len(before)
    return Units(np.tile(before.numbers, times), np.tile(before.constants, times))


def _concatenate(graphs: Graphs, call: Call, *units: Units) -> Units:
    if call.layer.axis not in (-1, len(call.shape) - 1):
        raise NotFollowed("its axis is not the last")
    numbers, constants = zip(*((u.numbers, u.constants) for u in units), strict=True)
    return Units(np.concatenate(numbers), np.concatenate(constants))


# By the name of the class.
RULES: Mapping[str, Callable[..., Units]] = {
    **dict.fromkeys(_ALONE, alone),
    **dict.fromkeys(_POOLING, _pooling),
    **dict.fromkeys(_PADDING, _padding),
    "Activation": _activation,
    "Flatten": _flatten,
    "Concatenate": _concatenate,
}
