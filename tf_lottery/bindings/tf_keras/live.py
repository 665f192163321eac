"""The variables of a wrapped model by name, and how tickets get in and out.

Names are those of a ticket's state: weight paths, `random:` generators, `state:` of
stateful recurrent layers, `optimizer:` variables, and changed attributes (`setting:`).
Assign between fits, never inside a training step.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tf_lottery.bindings.tf_keras import hold
from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.bindings.tf_keras.settings import Settings, is_setting
from tf_lottery.bindings.tf_keras.states import generators, recurrent_states
from tf_lottery.bindings.tf_keras.tfmot.wrap import mask_variables
from tf_lottery.core.arrays import bits, compact
from tf_lottery.core.errors import InvariantError, TicketError
from tf_lottery.core.masks import Masks, masked
from tf_lottery.core.outcome import State


class Live:
    """The variables of a masked model and, if it is compiled, of its optimizer."""

    def __init__(self, model: Any) -> None:
        self.weights = named_weights(model)
        by_weight = mask_variables(model)
        self._masks = {
            path: by_weight[weight.ref()]
            for path, weight in self.weights.items()
            if weight.ref() in by_weight
        }
        self._decided: Mapping[str, Any] = {}
        self.variables = dict(self.weights)
        self.variables |= generators(model) | recurrent_states(model)
        # Each replica has its own, such as BatchNorm's statistics.
        self._averaged = [
            weight
            for weight in self.weights.values()
            if weight.synchronization == tf.VariableSynchronization.ON_READ
        ]
        self._slots: dict[str, tuple[str, Any]] = {}
        if getattr(model, "optimizer", None) is not None:
            self._add_optimizer(model.optimizer)
        self._settings = Settings(model)

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

    def average(self) -> None:
        """See `parts.Live.average`; all workers must call it."""
        for variable in self._averaged:
            variable.assign(tf.convert_to_tensor(variable))

    def replica_masks(self) -> list[dict[str, Any]]:
        parts = {path: _parts(masks[0]) for path, masks in self._masks.items()}
        number = len(next(iter(parts.values())))
        return [
            {path: np.asarray(found[replica]) != 0 for path, found in parts.items()}
            for replica in range(number)
        ]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {path: tuple(self.weights[path].shape) for path in self._masks}

    def read(self) -> State:
        values = {name: compact(_array(v)) for name, v in self.variables.items()}
        return values | self._settings.changed()

    def view(self) -> State:
        return _View(self.variables | self._settings.changed())

    def view_weights(self) -> State:
        return _View(self.weights)

    def read_weights(self) -> State:
        return {path: _array(weight) for path, weight in self.weights.items()}

    def assign(self, state: State, masks: Masks) -> None:
        """See `parts.Live.assign`; slots of pruned weights become neutral.

        A state of all variables sets the settings, too.
        """
        self._check(state, masks)
        self._decided = masks
        for path, variables in self._masks.items():
            for variable in variables:
                _assign(path, variable, masks[path].astype(variable.dtype.name))
        for name in itertools.filterfalse(is_setting, state):
            variable, array = self.variables[name], state[name]
            if not variable.shape.is_compatible_with(np.shape(array)):
                raise TicketError(
                    f"This ticket was found on another model: {name!r} has shape "
                    f"{np.shape(array)} there and {tuple(variable.shape)} here."
                )
            _assign(name, variable, self._masked(name, array, masks))
        if self.variables.keys() <= state.keys():
            self._settings.assign(state)

    def leaking(self) -> list[str]:
        return [
            path
            for path, mask in self._decided.items()
            if any(
                tf.reduce_any(tf.convert_to_tensor(~mask) & (weight != 0))
                for weight in _parts(self.weights[path])
            )
        ]

    def changed_masks(self) -> list[str]:
        return [
            path
            for path, mask in self._decided.items()
            if any(
                tf.reduce_any(part != tf.cast(mask, part.dtype))
                for variable in self._masks[path]
                for part in _parts(variable)
            )
        ]

    def _masked(self, name: str, array: Any, masks: Masks) -> Any:
        if name in self._slots:
            path, neutral = self._slots[name]
            return np.where(masks[path], array, neutral)
        return masked(array, masks.get(name))

    def _add_optimizer(self, optimizer: Any) -> None:
        named = hold.variables(optimizer, self.weights)
        self.variables |= {f"optimizer:{name}": v for name, v in named.items()}
        names = {id(variable): f"optimizer:{name}" for name, variable in named.items()}
        for path in self._masks:
            weight = self.weights[path]
            for slot in hold.slots(optimizer, weight):
                if slot.variable.shape == weight.shape:
                    self._slots[names[id(slot.variable)]] = path, slot.neutral

    def _check(self, state: Mapping[str, Any], masks: Masks) -> None:
        _check_names("masks", masks, needed=self._masks, known=self._masks)
        known = {*self.variables, *filter(is_setting, state)}
        _check_names("values", state, needed=self.weights, known=known)
        for path, shape in self.shapes.items():
            if masks[path].shape != shape:
                raise TicketError(
                    f"This ticket was found on another model: its {path!r} has shape "
                    f"{masks[path].shape}, the model's {shape}."
                )


class _View(Mapping[str, Any]):
    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._variables = variables

    def __getitem__(self, name: str) -> Any:
        return compact(np.asarray(_parts(self._variables[name])[0]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)


def _parts(variable: Any) -> list[Any]:
    """The variable on each replica of this process, as tensors."""
    values = getattr(variable, "values", None)  # those of tf.distribute
    return [tf.convert_to_tensor(v) for v in (values or [variable])]


def _array(variable: Any) -> Any:
    """A copy of what the first replica holds."""
    return _parts(variable)[0].numpy()


def _assign(name: str, variable: Any, value: Any) -> None:
    variable.assign(value)
    if not all(_same_bits(part, value) for part in _parts(variable)):
        raise InvariantError(f"{name!r} does not hold what was assigned to it.")


def _same_bits(held: Any, assigned: Any) -> bool:
    held = np.asarray(held)
    assigned = np.asarray(assigned, held.dtype)
    # As bits: -0.0 equals 0.0, and NaN does not equal itself.
    return not held.size or bool(np.array_equal(bits(held), bits(assigned)))


def _check_names(
    what: str, ticket: Mapping[str, Any], *, needed: Any, known: Any
) -> None:
    """Raises unless the ticket has all that is needed, and only what is known."""
    extra = [repr(name) for name in ticket if name not in known]
    missing = [repr(name) for name in needed if name not in ticket]
    if not (extra or missing):
        return
    some = ", ".join((extra or missing)[:5])
    differs = (
        f"it has {what} for {some}, which the model lacks"
        if extra
        else f"it has no {what} for {some} of the model"
    )
    raise TicketError(
        f"This ticket was found on another model: {differs}. The model must have the "
        "same layers, of the same names."
    )
