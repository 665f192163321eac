"""The variables of a masked Keras 3 model by name, see `shared/live.py`."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from tf_lottery.bindings.keras3 import hold
from tf_lottery.bindings.keras3._imports import backend
from tf_lottery.bindings.keras3.layers import named_layers, named_weights
from tf_lottery.bindings.keras3.states import generators, recurrent_states
from tf_lottery.bindings.parts import Faults
from tf_lottery.bindings.shared.live import Assigned, LiveBase
from tf_lottery.bindings.shared.settings import Settings
from tf_lottery.core.arrays import Lazy
from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import State, Weights

_BYTES = 2**26  # that are assigned at once, and read back


class Live(LiveBase):
    """The variables of a model and, if it is compiled, of its held optimizer.

    Attributes:
        decided: The masks that were assigned, where the variables are.
        lanes: What holds the states of trainings that run side by side, if they do.
    """

    def __init__(self, model: Any) -> None:
        self.decided: list[Any] | None = None
        self.lanes: Any = None
        weights, found = named_weights(model), hold.masks_of(model)
        masks = {path: [found[path]] for path in weights if path in found}
        others = generators(model) | recurrent_states(model)
        slots: Mapping[str, Any] = {}
        if getattr(model, "optimizer", None) is not None and found:
            named = hold.variables(model.optimizer)
            others |= {f"optimizer:{name}": v for name, v in named.items()}
            slots = hold.slots_of(model)
        super().__init__(weights, masks, others, Settings(model, named_layers(model)))
        names = {id(variable): name for name, variable in self.variables.items()}
        for path in masks:
            for slot in slots.get(path, ()):
                if tuple(slot.variable.shape) == tuple(weights[path].shape):
                    self._slots[names[id(slot.variable)]] = path, slot.neutral

    def values(self, variable: Any) -> list[Any]:
        self._load()
        return list(backend.replicas(variable.value))

    def set(self, variable: Any, value: Any) -> None:
        self._load()
        variable.assign(np.asarray(value))

    def _assign(self, assigned: Iterable[Assigned]) -> None:
        for group in _groups(assigned):
            names, variables, values = zip(*group, strict=True)
            self._load()
            backend.assign(variables, values)
            held = backend.all_replicas([variable.value for variable in variables])
            for each in zip(names, held, values, strict=True):
                self._check_held(*each)

    def assign(self, state: State, masks: Masks) -> None:
        super().assign(state, masks)
        self.decided = [backend.constant(masks[path]) for path in self._masks]

    def read_weights(self) -> Weights:
        if self.lanes is not None:
            copies = self.lanes.snapshot()
        else:
            weights = [weight.value for weight in self.weights.values()]
            copies = backend.snapshot(weights)
        held = dict(zip(self.weights, copies, strict=True))
        return Lazy(held, lambda path: np.asarray(held[path]))

    def average(self) -> None:
        """See `parts.Live.average`."""
        for weight in self.weights.values():
            backend.average(weight.value)

    def faults(self) -> Faults:
        found = self._faults() if self.lanes is None else self.lanes.faults()
        changed, leaking = (list(itertools.compress(self._masks, f)) for f in found)
        return Faults(changed, leaking)

    @property
    def masked(self) -> tuple[list[Any], list[Any]]:
        """The variables of the weights that have masks, and of their masks."""
        masks = [masks[0] for masks in self._masks.values()]
        return [self.weights[path] for path in self._masks], masks

    def _load(self) -> None:
        if self.lanes is not None:
            self.lanes.load()

    def _faults(self) -> tuple[list[bool], list[bool]]:
        weights, masks = ([v.value for v in variables] for variables in self.masked)
        decided = masks if self.decided is None else self.decided
        found: tuple[list[bool], list[bool]]
        found = backend.faults(weights, masks, decided)
        return found


def _groups(assigned: Iterable[Assigned]) -> Iterator[list[Assigned]]:
    """Groups of a size in memory."""
    group: list[Assigned] = []
    size = 0
    for each in assigned:
        group.append(each)
        size += np.asarray(each[2]).nbytes
        if size >= _BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group
