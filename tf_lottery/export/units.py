"""Which units of a network do nothing: dead ones, and those that never vary.

Each position of a tensor's last axis is a unit with a number. Layers that treat
units alone (activations, BatchNorm, pooling) pass the numbers on, Flatten repeats
them, a residual Add makes the numbers of its inputs one, and Dense and Conv give
new ones. A unit is needed if a weight that is not zero leads from it to a needed
one; what no layer below needs can be removed, everywhere at once.

A unit without a surviving incoming weight is a constant, which the next layer's
bias can take. What is not understood keeps all of its units, and is named.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery._keras import keras, tf
from tf_lottery.export.graph import Call, interpret

Floats = NDArray[np.floating]
Numbers = NDArray[np.int64]

layers = keras.layers
_KERNELS = (layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D)
_ALONE = (
    *(layers.ReLU, layers.LeakyReLU, layers.ELU, layers.ThresholdedReLU),
    *(layers.Dropout, layers.AlphaDropout, layers.GaussianDropout),
    *(layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D),
    *(layers.GaussianNoise, layers.ActivityRegularization),
)
_POOLING = (
    *(layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D),
    *(layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D),
    *(layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D, layers.GlobalMaxPooling3D),
    *(layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D),
    layers.GlobalAveragePooling3D,
)
_PADDING = (layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D)
_MERGING: dict[type, Callable[[Any], Any]] = {
    layers.Add: lambda values: np.sum(values, axis=0, dtype=np.float32),
    layers.Average: lambda values: np.mean(values, axis=0, dtype=np.float32),
    layers.Maximum: lambda values: np.max(values, axis=0),
    layers.Minimum: lambda values: np.min(values, axis=0),
    layers.Multiply: lambda values: np.prod(values, axis=0, dtype=np.float32),
}
_ELEMENTWISE = frozenset(
    (
        *("elu", "exponential", "gelu", "hard_sigmoid", "leaky_relu", "linear", "mish"),
        *("relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softsign"),
        *("swish", "tanh"),
    )
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
        used: Whether a weight leads from a unit to another.
        foldable: Units before it whose constant its bias can take.
    """

    path: str
    before: Units
    after: Units
    used: NDArray[np.bool_]
    foldable: NDArray[np.bool_]


@dataclass
class Analysis:
    """What is known of the units of a model.

    Attributes:
        kernels: By layer path.
        norms: The units of BatchNorm layers, by layer path.
        left: Layers that keep all of their units, and why.
        needed: Whether a unit is needed, by its number.
    """

    kernels: dict[str, Kernel] = field(default_factory=dict)
    norms: dict[str, Units] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    needed: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    def keeps(self, units: Units) -> NDArray[np.bool_]:
        """Which positions of an axis stay."""
        return np.asarray(self.needed[units.numbers])


def analyse(model: Any) -> Analysis:
    """Finds what a plain functional or Sequential model needs."""
    return _Analyst(model).analysis


class _NotFollowed(Exception):
    """Why a layer keeps all of its units."""


class _Analyst:
    """Follows units through the calls of a model."""

    def __init__(self, model: Any) -> None:
        self.analysis = Analysis()
        self._same: list[int] = []  # of each unit, one that it is the same as
        self._pinned: list[Numbers] = []
        self._calls: dict[int, int] = {}
        interpret(model, model.inputs, self._count)
        inputs = [self._pin(self._fresh(tensor)) for tensor in model.inputs]
        for units in interpret(model, inputs, self._follow):
            self._pin(units)
        self._find_needed()

    def _count(self, call: Call) -> Any:
        self._calls[id(call.layer)] = self._calls.get(id(call.layer), 0) + 1
        return call.outputs

    def _follow(self, call: Call) -> Any:
        """The units that a call returns, from those that it takes."""
        taken = [
            each
            for each in tf.nest.flatten((call.args, call.kwargs))
            if isinstance(each, Units)
        ]
        try:
            if self._calls[id(call.layer)] > 1:
                raise _NotFollowed("called more than once")
            return self._rule(call)(call, *taken)
        except _NotFollowed as reason:
            self.analysis.left[call.path] = str(reason)
        for units in taken:
            self._pin(units)
        return [self._pin(self._fresh(tensor)) for tensor in call.outputs]

    def _rule(self, call: Call) -> Callable[..., Units]:
        rules: list[tuple[tuple[type, ...], Callable[..., Units]]] = [
            (_KERNELS, self._kernel),
            (_ALONE, _alone),
            ((layers.Activation,), _activation),
            ((layers.BatchNormalization,), self._norm),
            (_POOLING, _pooling),
            (_PADDING, _padding),
            ((layers.Flatten,), _flatten),
            (tuple(_MERGING), self._merge),
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
        # As matrices, one for each position of a convolution's window.
        kernel = layer.kernel.numpy().reshape(-1, *layer.kernel.shape[-2:])
        used = kernel.any(axis=0)
        # Beside an edge that is padded with zeros, a constant is not one.
        padded = getattr(layer, "padding", "valid") != "valid" and len(kernel) > 1
        constants = before.constants
        foldable = (constants == 0) if padded else ~np.isnan(constants)
        after = self._fresh(call.outputs[0])
        fixed = ~(used & ~foldable[:, np.newaxis]).any(axis=0)
        if not _is_elementwise(layer.activation):
            self._pin(after)
            fixed[:] = False
        bias = folded(kernel, np.where(foldable, constants, 0))
        if layer.use_bias:
            bias = bias + layer.bias.numpy()
        if fixed.any():
            after.constants[fixed] = layer.activation(tf.constant(bias[fixed])).numpy()
        self.analysis.kernels[call.path] = Kernel(
            call.path, before, after, used, foldable
        )
        return after

    def _norm(self, call: Call, before: Units) -> Units:
        layer = call.layer
        if list(layer.axis) != [len(call.outputs[0].shape) - 1]:
            raise _NotFollowed("its axis is not the last")
        self.analysis.norms[call.path] = before
        scale = 1 / np.sqrt(layer.moving_variance.numpy() + layer.epsilon)
        scale = scale * (layer.gamma.numpy() if layer.scale else 1)
        shift = layer.beta.numpy() if layer.center else 0
        constants = (before.constants - layer.moving_mean.numpy()) * scale + shift
        return Units(before.numbers, constants.astype(np.float32))

    def _merge(self, call: Call, *units: Units) -> Units:
        """Residual connections: what is added unit by unit is one unit."""
        if len({len(each) for each in units}) != 1:
            raise _NotFollowed("it broadcasts")
        first, *others = units
        for other in others:
            for one, another in zip(first.numbers, other.numbers, strict=True):
                self._unite(one, another)
        # NaN where one of them varies.
        constants = _MERGING[type(call.layer)]([each.constants for each in units])
        return Units(first.numbers, constants)

    def _fresh(self, tensor: Any) -> Units:
        shape = tensor.shape
        size = shape[-1] if shape.rank is not None and shape.rank > 1 else None
        numbers = np.arange(size or 0) + len(self._same)
        self._same += numbers.tolist()
        return Units(numbers, np.full(len(numbers), np.nan, np.float32))

    def _pin(self, units: Units) -> Units:
        self._pinned.append(units.numbers)
        return units

    def _unite(self, one: int, another: int) -> None:
        self._same[self._root(one)] = self._root(another)

    def _root(self, number: int) -> int:
        while self._same[number] != number:
            self._same[number] = self._same[self._same[number]]
            number = self._same[number]
        return number

    def _find_needed(self) -> None:
        """Walks back from what is pinned, until nothing more is needed."""
        roots = np.array([self._root(n) for n in range(len(self._same))], int)
        needed = np.zeros(len(roots), bool)
        for numbers in self._pinned:
            needed[roots[numbers]] = True
        while True:
            count = np.count_nonzero(needed)
            for kernel in self.analysis.kernels.values():
                before, after = (
                    roots[units.numbers] for units in (kernel.before, kernel.after)
                )
                if not needed[after].any():
                    needed[after[0]] = True  # a layer must have a unit
                uses = kernel.used & ~kernel.foldable[:, np.newaxis]
                needed[before[uses[:, needed[after]].any(axis=1)]] = True
            if np.count_nonzero(needed) == count:
                break
        self.analysis.needed = needed[roots]


def folded(kernel: Floats, constants: Floats) -> Floats:
    """What units of these values add to each unit of the next layer."""
    total: Floats = np.einsum("i,pio->o", constants.astype(np.float64), kernel)
    return total.astype(kernel.dtype)


def _alone(call: Call, before: Units) -> Units:
    """A layer that computes each value from itself, at inference."""
    computed = call.layer(tf.constant(before.constants[np.newaxis]), training=False)
    constants = np.where(np.isnan(before.constants), np.nan, computed.numpy()[0])
    return Units(before.numbers, constants)


def _activation(call: Call, before: Units) -> Units:
    if not _is_elementwise(call.layer.activation):
        raise _NotFollowed("its activation does not treat units alone")
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
    """Whether it is one of Keras' own functions that treat units alone."""
    name = getattr(activation, "__name__", "")
    known = getattr(keras.activations, name, None) or getattr(tf.nn, name, None)
    return name in _ELEMENTWISE and activation is known
