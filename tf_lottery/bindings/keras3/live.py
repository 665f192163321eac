"""The variables of a masked Keras 3 model by name, see `shared/live.py`."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from tf_lottery.bindings.keras3 import hold
from tf_lottery.bindings.keras3._imports import backend
from tf_lottery.bindings.keras3.layers import named_layers, named_weights
from tf_lottery.bindings.keras3.states import generators, recurrent_states
from tf_lottery.bindings.shared.live import LiveBase
from tf_lottery.bindings.shared.settings import Settings
from tf_lottery.core.arrays import Lazy
from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import State, Weights


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

    def assign(self, state: State, masks: Masks) -> None:
        super().assign(state, masks)
        self.decided = [backend.constant(masks[path]) for path in self._masks]

    def read_weights(self) -> Weights:
        self._load()
        copies = backend.snapshot([each.value for each in self.weights.values()])
        held = dict(zip(self.weights, copies, strict=True))
        return Lazy(held, lambda path: np.asarray(held[path]))

    def average(self) -> None:
        """See `parts.Live.average`."""
        for weight in self.weights.values():
            backend.average(weight.value)

    def leaking(self) -> list[str]:
        return self._named(self._faults()[0])

    def changed_masks(self) -> list[str]:
        return self._named(self._faults()[1])

    @property
    def masked(self) -> tuple[list[Any], list[Any]]:
        """The variables of the weights that have masks, and of their masks."""
        masks = [masks[0] for masks in self._masks.values()]
        return [self.weights[path] for path in self._masks], masks

    def _load(self) -> None:
        if self.lanes is not None:
            self.lanes.load()

    def _faults(self) -> tuple[list[bool], list[bool]]:
        if self.lanes is not None:
            return cast(tuple[list[bool], list[bool]], self.lanes.faults())
        weights, masks = ([v.value for v in variables] for variables in self.masked)
        decided = masks if self.decided is None else self.decided
        return cast(
            tuple[list[bool], list[bool]], backend.faults(weights, masks, decided)
        )

    def _named(self, faults: list[bool]) -> list[str]:
        return [path for path, fault in zip(self._masks, faults, strict=True) if fault]
