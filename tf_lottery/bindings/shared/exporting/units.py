"""Which units of a network do nothing: dead ones, and those that never vary.

Each position of a tensor's last axis is a unit with a number. Dense and Conv layers
give new numbers, a residual Add makes the units of its inputs one unit, and the layers
of `unit_rules`, batch norms and depthwise convolutions pass numbers on. A unit is
needed if a weight that is not zero leads from it to a needed unit. All others can be
removed, in all layers at once.

A unit without a surviving incoming weight is a constant, which the next layer's bias
can take. A layer that is not understood keeps all of its units, and is named.
"""

import functools
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery.bindings.shared.exporting import unit_rules as rules
from tf_lottery.bindings.shared.exporting.graphs import (
    Call,
    Graphs,
    kind_of,
    shape_of,
)
from tf_lottery.bindings.shared.exporting.kernels import (
    DEPTHWISE,
    KERNELS,
    SEPARABLE,
    folded,
    folded_alone,
    kernels_of,
    uses,
)
from tf_lottery.bindings.shared.exporting.unit_rules import (
    Floats,
    NotFollowed,
    Numbers,
    Units,
)
from tf_lottery.bindings.shared.rows import leaves

_MERGING = ("Add", "Average", "Maximum", "Minimum", "Multiply")


@dataclass(frozen=True)
class Kernel:
    """The weights between units: of a Dense or a convolution layer.

    Attributes:
        path: The layer's path.
        before, after: The units of its inputs, and of its outputs after the activation.
        foldable: Units before it whose constant its bias can take.
        uses: Whether a weight leads from a unit that is not foldable to another one.
    """

    path: str
    before: Units
    after: Units
    foldable: NDArray[np.bool_]
    uses: NDArray[np.bool_]


@dataclass
class Analysis:
    """Which units of a model are needed, and why layers keep theirs.

    Attributes:
        kernels: The weights between units, by the id of the layer, in the order of the
            calls.
        alone: The units before and after layers that treat each unit alone, by weights
            of its own: batch norms and depthwise convolutions, by the id of the layer.
        left: Layers that keep all of their units, by path, and why.
        needed: Whether a unit is needed, by its number.
    """

    kernels: dict[int, Kernel] = field(default_factory=dict)
    alone: dict[int, tuple[Units, Units]] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    needed: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    def keeps(self, units: Units) -> NDArray[np.bool_]:
        """Which positions of an axis stay."""
        return np.asarray(self.needed[units.numbers])


def analyse(graphs: Graphs, model: Any) -> Analysis:
    """Finds the units that a plain functional or Sequential model needs."""
    return _Analyst(graphs, model).analysis


class _Analyst:
    """Follows units through the calls of a model."""

    def __init__(self, graphs: Graphs, model: Any) -> None:
        self.analysis = Analysis()
        self._graphs = graphs
        self._same: list[int] = []  # for each unit, one that it is the same as
        self._pinned: list[Numbers] = []
        self._calls: Counter[int] = Counter()
        self._outputs = {id(tensor) for tensor in model.outputs}
        graphs.interpret(model, model.inputs, self._count)
        inputs = [self._pin(self._fresh(tensor)) for tensor in model.inputs]
        for units in graphs.interpret(model, inputs, self._follow):
            self._pin(units)
        self._find_needed()

    def _count(self, call: Call) -> Any:
        self._calls[id(call.layer)] += 1
        return call.outputs

    def _follow(self, call: Call) -> Any:
        """The units that a call returns, from those that it takes."""
        for mask in leaves(call.kwargs.get("mask")):
            if isinstance(mask, Units):
                self._pin(mask)
        try:
            return self._rule(call)(call, *rules.taken(call))
        except NotFollowed as reason:
            self.analysis.left[call.path] = str(reason)
        for units in leaves((call.args, call.kwargs)):
            if isinstance(units, Units):
                self._pin(units)
        return [self._pin(self._fresh(tensor)) for tensor in call.outputs]

    def _rule(self, call: Call) -> Callable[..., Units]:
        if self._calls[id(call.layer)] > 1 and self._graphs.own_weights(call.layer):
            raise NotFollowed("called more than once")
        known: dict[str, Callable[..., Units]] = {
            **{n: functools.partial(r, self._graphs) for n, r in rules.RULES.items()},
            **dict.fromkeys(KERNELS, self._kernel),
            **dict.fromkeys(DEPTHWISE, self._depthwise),
            **dict.fromkeys(_MERGING, self._merge),
            "BatchNormalization": self._norm,
        }
        kind = kind_of(self._graphs, call.layer)
        if kind not in known:
            raise NotFollowed(f"{type(call.layer).__name__} is not followed")
        in_training = call.kwargs.get("training") not in (None, False)
        if in_training and kind not in KERNELS:
            raise NotFollowed("called in training mode")
        return known[kind]

    def _kernel(self, call: Call, before: Units) -> Units:
        graphs, layer = self._graphs, call.layer
        if getattr(layer, "groups", 1) != 1:
            raise NotFollowed("a grouped convolution")
        kernels = self._kernels(layer, 1 + (kind_of(graphs, layer) in SEPARABLE))
        foldable = _foldable(layer, before, kernels[0])
        leads = uses(kernels) & ~foldable[:, np.newaxis]
        after = self._fresh(call.outputs[0])
        if rules.is_elementwise(graphs, layer.activation):
            bias = folded(graphs, layer, np.where(foldable, before.constants, 0))
            varying = np.asarray(leads.any(axis=0))
            after.constants[:] = self._activated(layer, bias, varying)
        else:
            self._pin(after)
            if id(call.outputs[0]) not in self._outputs:
                self.analysis.left[call.path] = rules.NOT_ALONE
        kept = Kernel(call.path, before, after, foldable, leads)
        self.analysis.kernels[id(layer)] = kept
        return after

    def _depthwise(self, call: Call, before: Units) -> Units:
        """Each unit becomes `depth_multiplier` units, which stay or go together."""
        graphs, layer = self._graphs, call.layer
        if not rules.is_elementwise(graphs, layer.activation):
            raise NotFollowed(rules.NOT_ALONE)
        (kernel,) = self._kernels(layer, 1)
        foldable = _foldable(layer, before, kernel)
        varying = uses([kernel]) & ~foldable[:, np.newaxis]
        bias = folded_alone(graphs, layer, np.where(foldable, before.constants, 0))
        constants = self._activated(layer, bias, varying.ravel())
        after = Units(np.repeat(before.numbers, kernel.shape[-1]), constants)
        self.analysis.alone[id(layer)] = before, after
        return after

    def _kernels(self, layer: Any, number: int) -> list[Floats]:
        if len(layer.weights) != number + layer.use_bias:
            raise NotFollowed("it has more than a kernel and a bias")
        rules.check_last_axis(layer)
        return kernels_of(self._graphs, layer)

    def _activated(
        self, layer: Any, bias: Floats, varying: NDArray[np.bool_]
    ) -> Floats:
        """The constants of units: of one that does not vary, its activated bias."""
        found = layer.activation(self._graphs.tensor(bias))
        return np.where(varying, np.nan, rules.finite(self._graphs.array(found)))

    def _norm(self, call: Call, before: Units) -> Units:
        last = len(call.shape) - 1
        if call.layer.axis not in (-1, last, [last]):
            raise NotFollowed("its axis is not the last")
        self.analysis.alone[id(call.layer)] = before, before
        return rules.alone(self._graphs, call, before)

    def _merge(self, call: Call, *units: Units) -> Units:
        """Residual connections: units that are added to each other are one unit."""
        if len({len(each) for each in units}) != 1:
            raise NotFollowed("it broadcasts")
        first, *others = units
        for other in others:
            for one, another in zip(first.numbers, other.numbers, strict=True):
                self._same[self._root(one)] = self._root(another)
        return Units(first.numbers, rules.computed(self._graphs, call, *units))

    def _fresh(self, tensor: Any) -> Units:
        shape = shape_of(tensor)
        size = shape[-1] if shape and len(shape) > 1 else None
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
        """Walks back from the pinned units, against the order of the calls."""
        roots = np.array([self._root(n) for n in range(len(self._same))], int)
        needed = np.zeros(len(roots), bool)
        needed[roots[np.concatenate(self._pinned)]] = True
        kernels = list(reversed(self.analysis.kernels.values()))
        # One walk is enough: of units that are one, some may be kept only for another
        # that is used before they meet. What they compute reaches nothing.
        for kernel in kernels:
            uses = kernel.uses[:, needed[roots[kernel.after.numbers]]].any(axis=1)
            needed[roots[kernel.before.numbers[uses]]] = True
        for kernel in kernels:
            after = roots[kernel.after.numbers]
            # A layer must have a unit. Nothing uses this one, so it needs nothing.
            if not needed[after].any():
                needed[after[0]] = True
        self.analysis.needed = needed[roots]


def _foldable(layer: Any, before: Units, kernel: Floats) -> NDArray[np.bool_]:
    """Which units contribute the same everywhere, so that a bias can hold it."""
    is_point = math.prod(kernel.shape[:-2]) == 1
    # Next to an edge that is padded with zeros, a constant is not constant.
    padded = getattr(layer, "padding", "valid") != "valid" and not is_point
    return before.constants == 0 if padded else ~np.isnan(before.constants)
