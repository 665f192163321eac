"""The variables of a wrapped tf_keras model by name, see `shared/live.py`."""

from collections.abc import Mapping
from typing import Any

from tf_lottery.bindings.parts import Faults
from tf_lottery.bindings.shared.live import LiveBase
from tf_lottery.bindings.shared.settings import Settings
from tf_lottery.bindings.tf_keras import hold
from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.bindings.tf_keras.layers import named_layers, named_weights
from tf_lottery.bindings.tf_keras.states import generators, recurrent_states
from tf_lottery.bindings.tf_keras.tfmot.wrap import mask_variables
from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import State


class Live(LiveBase):
    """The variables of a masked model and, if it is compiled, of its optimizer."""

    def __init__(self, model: Any) -> None:
        self._decided: Mapping[str, Any] = {}
        weights, by_weight = named_weights(model), mask_variables(model)
        masks = {
            path: by_weight[weight.ref()]
            for path, weight in weights.items()
            if weight.ref() in by_weight
        }
        others = generators(model) | recurrent_states(model)
        super().__init__(weights, masks, others, Settings(model, named_layers(model)))
        # Each replica has its own, such as BatchNorm's statistics.
        self._averaged = [
            weight
            for weight in weights.values()
            if weight.synchronization == tf.VariableSynchronization.ON_READ
        ]
        if getattr(model, "optimizer", None) is not None:
            self._add_optimizer(model.optimizer)

    def known(self, model: Any) -> list[Any]:
        """All that is rewound, or that Keras resets: nothing else may change."""
        masks = [mask for found in self._masks.values() for mask in found]
        parts = list(model._flatten_layers())
        metrics = [*model.metrics, *(m for part in parts for m in part._metrics)]
        counters = (model._train_counter, model._test_counter, model._predict_counter)
        variables = [*self.variables.values(), *masks, *counters]
        variables += [v for metric in metrics for v in metric.variables]
        variables += [v for part in parts for v in part.non_trainable_variables]
        variables.append(model._steps_per_execution)
        return [v for v in variables if isinstance(v, tf.Variable)]

    def values(self, variable: Any) -> list[Any]:
        return [part.numpy() for part in _parts(variable)]

    def set(self, variable: Any, value: Any) -> None:
        variable.assign(value.astype(variable.dtype.as_numpy_dtype))

    def assign(self, state: State, masks: Masks) -> None:
        super().assign(state, masks)
        self._decided = masks

    def average(self) -> None:
        """See `parts.Live.average`; all workers must call it."""
        for variable in self._averaged:
            variable.assign(tf.convert_to_tensor(variable))

    def faults(self) -> Faults:
        return Faults(self._changed(), self._leaking())

    def _changed(self) -> list[str]:
        return [
            path
            for path, mask in self._decided.items()
            if any(
                tf.reduce_any(part != tf.cast(mask, part.dtype))
                for variable in self._masks[path]
                for part in _parts(variable)
            )
        ]

    def _leaking(self) -> list[str]:
        return [
            path
            for path, mask in self._decided.items()
            if any(
                tf.reduce_any(tf.convert_to_tensor(~mask) & (weight != 0))
                for weight in _parts(self.weights[path])
            )
        ]

    def _add_optimizer(self, optimizer: Any) -> None:
        named = hold.variables(optimizer, self.weights)
        self.variables |= {f"optimizer:{name}": v for name, v in named.items()}
        names = {id(variable): f"optimizer:{name}" for name, variable in named.items()}
        for path in self._masks:
            weight = self.weights[path]
            for slot in hold.slots(optimizer, weight):
                if slot.variable.shape == weight.shape:
                    self._slots[names[id(slot.variable)]] = path, slot.neutral


def _parts(variable: Any) -> list[Any]:
    """The variable on each replica of this process, as tensors."""
    values = getattr(variable, "values", None)  # those of tf.distribute
    return [tf.convert_to_tensor(v) for v in (values or [variable])]
