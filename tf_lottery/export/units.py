"""Which units of a network do nothing: dead ones, and those that never vary.

Each position of a tensor's last axis is a unit with a number. Layers that treat
units alone (activations, BatchNorm, pooling) pass the numbers on, Flatten repeats
them, a residual Add makes the numbers of its inputs one, and Dense and Conv give
new ones. A unit is needed if a weight that is not zero leads from it to a needed
one; what no layer below needs can be removed, everywhere at once.

A unit without a surviving incoming weight is a constant, which the next layer's
bias can take. What is not understood keeps all of its units, and is named.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.export.graph import Call, interpret

Floats = NDArray[np.floating]
Numbers = NDArray[np.int64]

_NOT_ALONE = "its activation does not treat units alone"

layers = keras.layers
KERNELS = (layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D)
_ALONE = (
    *(layers.ReLU, layers.LeakyReLU, layers.ELU, layers.ThresholdedReLU),
    *(layers.Dropout, layers.AlphaDropout, layers.GaussianDropout),
    *(layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D),
    *(layers.GaussianNoise, layers.ActivityRegularization, layers.Identity),
)
_POOLING = (
    *(layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D),
    *(layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D),
    *(layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D, layers.GlobalMaxPooling3D),
    *(layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D),
    layers.GlobalAveragePooling3D,
)
_PADDING = (layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D)
_MERGING = (
    *(layers.Add, layers.Average, layers.Maximum, layers.Minimum, layers.Multiply),
)
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


@dataclass(frozen=True)
class Kernel:
    """The weights between units: of a Dense or a convolution layer.

    Attributes:
        path: The layer's.
        before, after: Its units; `after` behind its activation.
        foldable: Units before it whose constant its bias can take.
        uses: Whether a weight leads from a unit, that is not foldable, to another.
    """

    path: str
    before: Units
    after: Units
    foldable: NDArray[np.bool_]
    uses: NDArray[np.bool_]


@dataclass
class Analysis:
    """What is known of the units of a model.

    Attributes:
        kernels: By the id of the layer, in the order of the calls.
        norms: The units of BatchNorm layers, by the id of the layer.
        left: Layers that keep all of their units, by path, and why.
        needed: Whether a unit is needed, by its number.
    """

    kernels: dict[int, Kernel] = field(default_factory=dict)
    norms: dict[int, Units] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    needed: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    def keeps(self, units: Units) -> NDArray[np.bool_]:
        """Which positions of an axis stay."""
        return np.asarray(self.needed[units.numbers])


def analyse(model: Any) -> Analysis:
    """Finds what a plain functional or Sequential model needs."""
    return _Analyst(model).analysis


def as_matrices(kernel: Floats) -> Floats:
    """A kernel's matrices, one for each position of a convolution's window."""
    return kernel.reshape(-1, *kernel.shape[-2:])


def folded(layer: Any, constants: Floats) -> Floats:
    """The bias of a layer that takes what units of these values contribute."""
    rows = np.flatnonzero(constants)
    kernel = as_matrices(layer.kernel.numpy())[:, rows]
    bias = np.einsum("i,pio->o", constants[rows], kernel.astype(np.float64))
    if layer.use_bias:
        bias = bias + layer.bias.numpy()
    return np.asarray(bias.astype(kernel.dtype))


class _NotFollowed(Exception):
    """Why a layer keeps all of its units."""


class _Analyst:
    """Follows units through the calls of a model."""

    def __init__(self, model: Any) -> None:
        self.analysis = Analysis()
        self._same: list[int] = []  # of each unit, one that it is the same as
        self._pinned: list[Numbers] = []
        self._calls: Counter[int] = Counter()
        self._outputs = {id(tensor) for tensor in model.outputs}
        interpret(model, model.inputs, self._count)
        inputs = [self._pin(self._fresh(tensor)) for tensor in model.inputs]
        for units in interpret(model, inputs, self._follow):
            self._pin(units)
        self._find_needed()

    def _count(self, call: Call) -> Any:
        self._calls[id(call.layer)] += 1
        return call.outputs

    def _follow(self, call: Call) -> Any:
        """The units that a call returns, from those that it takes."""
        try:
            return self._rule(call)(call, *_taken(call))
        except _NotFollowed as reason:
            self.analysis.left[call.path] = str(reason)
        for units in tf.nest.flatten((call.args, call.kwargs)):
            if isinstance(units, Units):
                self._pin(units)
        return [self._pin(self._fresh(tensor)) for tensor in call.outputs]

    def _rule(self, call: Call) -> Callable[..., Units]:
        if self._calls[id(call.layer)] > 1 and call.layer.weights:
            raise _NotFollowed("called more than once")
        rules: list[tuple[tuple[type, ...], Callable[..., Units]]] = [
            (KERNELS, self._kernel),
            (_ALONE, _alone),
            ((layers.Activation,), _activation),
            ((layers.BatchNormalization,), self._norm),
            (_POOLING, _pooling),
            (_PADDING, _padding),
            ((layers.Flatten,), _flatten),
            (_MERGING, self._merge),
            ((layers.Concatenate,), _concatenate),
        ]
        kind = type(call.layer)  # not a subclass, which may compute anything
        for kinds, rule in rules:
            if kind in kinds:
                return rule
        raise _NotFollowed(f"{kind.__name__} is not followed")

    def _kernel(self, call: Call, before: Units) -> Units:
        layer = call.layer
        if getattr(layer, "groups", 1) != 1:
            raise _NotFollowed("a grouped convolution")
        _check_last_axis(layer)
        kernel = as_matrices(layer.kernel.numpy())
        # Beside an edge that is padded with zeros, a constant is not one.
        padded = getattr(layer, "padding", "valid") != "valid" and len(kernel) > 1
        constants = before.constants
        foldable = (constants == 0) if padded else ~np.isnan(constants)
        uses = kernel.any(axis=0) & ~foldable[:, np.newaxis]
        after = self._fresh(call.outputs[0])
        if _is_elementwise(layer.activation):
            bias = tf.constant(folded(layer, np.where(foldable, constants, 0)))
            values = _finite(layer.activation(bias).numpy())
            after.constants[:] = np.where(uses.any(axis=0), np.nan, values)
        else:
            self._pin(after)
            if id(call.outputs[0]) not in self._outputs:
                self.analysis.left[call.path] = _NOT_ALONE
        kept = Kernel(call.path, before, after, foldable, uses)
        self.analysis.kernels[id(layer)] = kept
        return after

    def _norm(self, call: Call, before: Units) -> Units:
        if list(call.layer.axis) != [call.outputs[0].shape.rank - 1]:
            raise _NotFollowed("its axis is not the last")
        self.analysis.norms[id(call.layer)] = before
        return _alone(call, before)

    def _merge(self, call: Call, *units: Units) -> Units:
        """Residual connections: what is added unit by unit is one unit."""
        if len({len(each) for each in units}) != 1:
            raise _NotFollowed("it broadcasts")
        first, *others = units
        for other in others:
            for one, another in zip(first.numbers, other.numbers, strict=True):
                self._same[self._root(one)] = self._root(another)
        return Units(first.numbers, _computed(call, *units))

    def _fresh(self, tensor: Any) -> Units:
        shape = tensor.shape
        size = shape[-1] if shape.rank is not None and shape.rank > 1 else None
        numbers = np.arange(size or 0) + len(self._same)
        self._same += numbers.tolist()
        return Units(numbers, np.full(len(numbers), np.nan))

    def _pin(self, units: Units) -> Units:
        self._pinned.append(units.numbers)
        return units

    def _root(self, number: int) -> int:
        while self._same[number] != number:
            self._same[number] = self._same[self._same[number]]
            number = self._same[number]
        return number

    def _find_needed(self) -> None:
        """Walks back from what is pinned, against the order of the calls."""
        roots = np.array([self._root(n) for n in range(len(self._same))], int)
        needed = np.zeros(len(roots), bool)
        needed[roots[np.concatenate(self._pinned)]] = True
        kernels = list(reversed(self.analysis.kernels.values()))
        # Once is enough: of units that are the same, one may be kept only for another
        # that is used before they meet. What it computes reaches nothing.
        for kernel in kernels:
            uses = kernel.uses[:, needed[roots[kernel.after.numbers]]].any(axis=1)
            needed[roots[kernel.before.numbers[uses]]] = True
        for kernel in kernels:
            after = roots[kernel.after.numbers]
            # A layer must have a unit. This one is not used, so it uses nothing.
            if not needed[after].any():
                needed[after[0]] = True
        self.analysis.needed = needed[roots]


def _taken(call: Call) -> list[Units]:
    """What a call takes, if that is units and nothing else."""
    others = dict(call.kwargs)
    if others.pop("training", None) not in (None, False):
        raise _NotFollowed("called in training mode")
    units = tf.nest.flatten((call.args, others))
    if not all(isinstance(each, Units) for each in units):
        raise _NotFollowed("called with more than layers' outputs")
    return list(units)


def _computed(call: Call, *units: Units) -> Floats:
    """The constants that a layer makes of constants, each from its own."""
    shape = [1] * (call.outputs[0].shape.rank - 1) + [-1]
    values = [tf.constant(each.constants.reshape(shape)) for each in units]
    taken = tf.nest.pack_sequence_as(call.args[0], values)
    computed = call.layer(taken, training=False).numpy().ravel()
    # Not every layer makes NaN of NaN on every device.
    varying = np.isnan([each.constants for each in units]).any(axis=0)
    return np.where(varying, np.nan, _finite(computed))


def _finite(values: Floats) -> Floats:
    """Values in double precision; what is infinite cannot be folded."""
    values = values.astype(np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _alone(call: Call, before: Units) -> Units:
    return Units(before.numbers, _computed(call, before))


def _activation(call: Call, before: Units) -> Units:
    if not _is_elementwise(call.layer.activation):
        raise _NotFollowed(_NOT_ALONE)
    return _alone(call, before)


def _pooling(call: Call, before: Units) -> Units:
    _check_last_axis(call.layer)
    return before


def _padding(call: Call, before: Units) -> Units:
    _check_last_axis(call.layer)
    constants = np.where(before.constants == 0, before.constants, np.nan)
    return Units(before.numbers, constants)


def _flatten(call: Call, before: Units) -> Units:
    _check_last_axis(call.layer)
    length = call.outputs[0].shape[-1]
    if not len(before) or length is None:
        raise _NotFollowed("its length is open")
    times = length // len(before)
    return Units(np.tile(before.numbers, times), np.tile(before.constants, times))


def _concatenate(call: Call, *units: Units) -> Units:
    if call.layer.axis not in (-1, len(call.outputs[0].shape) - 1):
        raise _NotFollowed("its axis is not the last")
    numbers, constants = zip(*((u.numbers, u.constants) for u in units), strict=True)
    return Units(np.concatenate(numbers), np.concatenate(constants))


def _check_last_axis(layer: Any) -> None:
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise _NotFollowed("its channels are not last")


def _is_elementwise(activation: Any) -> bool:
    """Whether it is known to treat units alone."""
    return activation in _ELEMENTWISE or type(activation) in _ALONE
