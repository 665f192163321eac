"""The variables of a masked Keras 3 model by name, see `shared/live.py`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_lottery.bindings.keras3 import hold
from tf_lottery.bindings.keras3._imports import backend
from tf_lottery.bindings.keras3.layers import named_layers, named_weights
from tf_lottery.bindings.keras3.states import generators, recurrent_states
from tf_lottery.bindings.shared.live import LiveBase
from tf_lottery.bindings.shared.settings import Settings


class Live(LiveBase):
    """The variables of a model and, if it is compiled, of its held optimizer."""

    def __init__(self, model: Any) -> None:
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
        return list(backend.replicas(variable.value))

    def set(self, variable: Any, value: Any) -> None:
        variable.assign(np.asarray(value))

    def average(self) -> None:
        """See `parts.Live.average`."""
        for weight in self.weights.values():
            backend.average(weight.value)

    def leaking(self) -> list[str]:
        return [
            path
            for path, mask in self._decided.items()
            if any(found[~mask].any() for found in self.values(self.weights[path]))
        ]

    def changed_masks(self) -> list[str]:
        return [
            path
            for path, mask in self._decided.items()
            if any((found != mask).any() for found in self.values(self._masks[path][0]))
        ]
