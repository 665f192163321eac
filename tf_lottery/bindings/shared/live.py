"""The variables of a masked model by name, and how tickets get in and out.

Names are those of a ticket's state: weight paths, `random:` generators, `state:` of
stateful recurrent layers, `optimizer:` variables, and changed attributes (`setting:`).
Assign between fits, never inside a training step.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tf_lottery.bindings.shared.settings import Settings, is_setting
from tf_lottery.core.arrays import bits, compact
from tf_lottery.core.errors import InvariantError, TicketError
from tf_lottery.core.masks import Masks, masked
from tf_lottery.core.outcome import State

Assigned = tuple[str, Any, Any]  # the name of a variable, itself, and its value


class LiveBase:
    """What `parts.Live` promises, but for what asks a framework.

    Attributes:
        weights: The weights and non-trainable variables, by path.
        variables: These, and all other variables of a ticket's state, by name.

    Args:
        weights: See above.
        masks: The variables that hold the mask of a weight, by its path.
        others: Generators and recurrent states, by name.
        settings: The settings of the model.
    """

    def __init__(
        self,
        weights: Mapping[str, Any],
        masks: Mapping[str, list[Any]],
        others: Mapping[str, Any],
        settings: Settings,
    ) -> None:
        self.weights = dict(weights)
        self.variables = self.weights | dict(others)
        self._masks = masks
        # Slots of pruned weights: the path of the weight, and the neutral value.
        self._slots: dict[str, tuple[str, Any]] = {}
        self._settings = settings

    def values(self, variable: Any) -> list[Any]:
        """Copies of what a variable holds on each replica of this process."""
        raise NotImplementedError

    def set(self, variable: Any, value: Any) -> None:
        """Assigns to a variable, on all replicas."""
        raise NotImplementedError

    def replica_masks(self) -> list[dict[str, Any]]:
        parts = {path: self.values(masks[0]) for path, masks in self._masks.items()}
        number = len(next(iter(parts.values())))
        return [
            {path: found[replica] != 0 for path, found in parts.items()}
            for replica in range(number)
        ]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {path: tuple(self.weights[path].shape) for path in self._masks}

    def read(self) -> State:
        values = {name: compact(self._array(v)) for name, v in self.variables.items()}
        return values | self._settings.changed()

    def view(self) -> State:
        return _View(self, self.variables | self._settings.changed())

    def view_weights(self) -> State:
        return _View(self, self.weights)

    def read_weights(self) -> State:
        return {path: self._array(weight) for path, weight in self.weights.items()}

    def assign(self, state: State, masks: Masks) -> None:
        """See `parts.Live.assign`; slots of pruned weights become neutral.

        A state of all variables sets the settings, too.
        """
        self._check(state, masks)
        self._assign(self._assigned(state, masks))
        if self.variables.keys() <= state.keys():
            self._settings.assign(state)

    def with_frozen(self, masks: Masks, state: State) -> Masks:
        """The masks, and masks of ones for weights that were frozen.

        Those have values in the state of a ticket, and may be trained in the model.
        """
        frozen = self.shapes.keys() & state.keys() - masks.keys()
        ones = Masks.full({path: self.shapes[path] for path in frozen})
        return Masks({**ones, **masks})

    def _array(self, variable: Any) -> Any:
        return self.values(variable)[0]

    def _assigned(self, state: State, masks: Masks) -> Iterator[Assigned]:
        """What variables get: masks, and a state in which pruned weights are zero."""
        for path, variables in self._masks.items():
            for variable in variables:
                yield path, variable, masks[path]
        for name in itertools.filterfalse(is_setting, state):
            variable, array = self.variables[name], state[name]
            if not fits(np.shape(array), variable.shape):
                raise TicketError(
                    f"This ticket was found on another model: {name!r} has shape "
                    f"{np.shape(array)} there and {tuple(variable.shape)} here."
                )
            yield name, variable, self._masked(name, array, masks)

    def _assign(self, assigned: Iterable[Assigned]) -> None:
        """Assigns, and raises unless each variable then holds what it got."""
        for name, variable, value in assigned:
            self.set(variable, value)
            self._check_held(name, self.values(variable), value)

    def _check_held(self, name: str, held: Sequence[Any], value: Any) -> None:
        if not all(_same_bits(part, value) for part in held):
            raise InvariantError(f"{name!r} does not hold what was assigned to it.")

    def _masked(self, name: str, array: Any, masks: Masks) -> Any:
        if name in self._slots:
            path, neutral = self._slots[name]
            return np.where(masks[path], array, neutral)
        return masked(array, masks.get(name))

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
    def __init__(self, live: LiveBase, variables: Mapping[str, Any]) -> None:
        self._live = live
        self._variables = variables

    def __getitem__(self, name: str) -> Any:
        value = self._variables[name]
        return compact(value if is_setting(name) else self._live.values(value)[0])

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)


def fits(shape: tuple[int, ...], wanted: Any) -> bool:
    """Whether an array fits a variable, some of whose sizes may be open."""
    sizes = tuple(wanted)
    return len(shape) == len(sizes) and all(
        open_or_equal in (None, size)
        for size, open_or_equal in zip(shape, sizes, strict=True)
    )


def _same_bits(held: Any, assigned: Any) -> bool:
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
