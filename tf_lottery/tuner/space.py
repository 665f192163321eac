"""Search spaces: which fields of a plan a sweep chooses, and from which values.

A space is any function from Keras Tuner's `HyperParameters` to fields of a `Plan`.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from tf_lottery.core.choices import RETRAIN, SCOPES
from tf_lottery.core.plan import Plan

Space = Callable[[Any], Mapping[str, Any]]
SAME = frozenset({"monitor", "mode", "tolerance", "together"})  # for all trials


def lottery_space(hp: Any) -> dict[str, Any]:
    """Offers how many weights are pruned, how often, which ones, and how to retrain.

    Arguments passed to `LotteryTuner.search` are fixed and are not part of the search
    space. `rewind_to` is 0, 100 or 500 steps, which must be before the last step of a
    training: shorter trainings need another space.

    Args:
        hp: Keras Tuner's `HyperParameters`.

    Returns:
        pruning_rate, rounds, scope, criterion, retrain, and rewind_to where tickets
        are rewound.
    """
    chosen = {
        "pruning_rate": hp.Float("pruning_rate", 0.1, 0.6, step=0.1, default=0.2),
        "rounds": hp.Int("rounds", 3, 15, step=3, default=15),
        "scope": hp.Choice("scope", list(SCOPES)),
        "criterion": hp.Choice(
            "criterion", ["magnitude", "magnitude_increase", "movement"]
        ),
        "retrain": hp.Choice("retrain", list(RETRAIN)),
    }
    with hp.conditional_scope("retrain", ["rewind"]):
        rewind_to = hp.Choice("rewind_to", [0, 100, 500])
    if chosen["retrain"] == "rewind":
        chosen["rewind_to"] = rewind_to
    return chosen


def choices_of(choices: Mapping[str, Sequence[Any]]) -> Space:
    """The space of the given values for each field of a plan.

    Args:
        choices: Values by field; the first is the default.

    Example:
        ```python
        space = choices_of({"pruning_rate": [0.1, 0.2, 0.4]})
        ```
    """

    def space(hp: Any) -> dict[str, Any]:
        return {name: hp.Choice(name, list(given)) for name, given in choices.items()}

    return space


def with_plan(space: Space, plan: Plan, without: Collection[str]) -> Space:
    """A space that takes from a plan all fields it never asks for, except `without`."""
    asked: set[str] = set()
    fields = {each.name for each in dataclasses.fields(Plan)} - {*without}

    def both(hp: Any) -> dict[str, Any]:
        asking = Fixed(hp, {})
        found = dict(space(asking))
        asked.update(asking.asked)
        found = {name: getattr(plan, name) for name in fields - asked} | found
        if found.get("scope") == "global" != plan.scope:
            # All layers share one rate, except those that keep all their weights.
            rates = found.get("layer_rates", {})
            found["layer_rates"] = dict.fromkeys(
                (k for k in rates if not rates[k]), 0.0
            )
        return found

    return both


class Fixed:
    """Keras Tuner's `HyperParameters`, in which some values are fixed.

    The fixed ones are returned, and never registered. `asked` has all names that were
    asked for.
    """

    _ASKING = ("Boolean", "Choice", "Fixed", "Float", "Int", "get")

    def __init__(self, hp: Any, values: Mapping[str, Any]) -> None:
        self.asked: set[str] = set()
        self._hp = hp
        self._values = values
        self._skips = False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._hp, name)
        return functools.partial(self._ask, found) if name in self._ASKING else found

    @contextlib.contextmanager
    def conditional_scope(self, parent: str, values: Sequence[Any]) -> Iterator[None]:
        """Like that of Keras Tuner, which does not know a parent that is fixed."""
        if parent not in self._values:
            with self._hp.conditional_scope(parent, values):
                yield
            return
        before = self._skips
        self._skips = before or self._values[parent] not in values
        yield
        self._skips = before

    def _ask(self, method: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        if (parent := kwargs.pop("parent_name", None)) is not None:
            values = kwargs.pop("parent_values")
            listed = values if isinstance(values, list | tuple) else [values]
            with self.conditional_scope(parent, listed):
                return self._ask(method, name, *args, **kwargs)
        self.asked.add(name)
        if self._skips:
            return None
        if name in self._values:
            return self._values[name]
        return method(name, *args, **kwargs)
