"""Search spaces: which choices of a plan a sweep may make.

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
JUDGES = frozenset({"monitor", "mode", "tolerance"})  # of all trials alike


def lottery_space(hp: Any) -> dict[str, Any]:
    """Offers how many weights go in a round, how often, which, and what follows.

    What `LotteryTuner.search` is told is fixed, and no longer offered. `rewind_to`
    is 0, 100 or 500 steps, for trainings of more: shorter ones need a space of their
    own.

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
    """The space of the given values of each field of a plan.

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


def beside(plan: Plan, space: Space, own: Collection[str]) -> Space:
    """The space that has the fields of a plan for what the given one never asks for.

    Args:
        plan: Has the fields.
        space: What chooses.
        own: Fields that are left out.
    """
    asked: set[str] = set()
    fields = {each.name for each in dataclasses.fields(Plan)} - {*own}

    def both(hp: Any) -> dict[str, Any]:
        asking = Told(hp, {})
        found = dict(space(asking))
        asked.update(asking.asked)
        found = {name: getattr(plan, name) for name in fields - asked} | found
        if found.get("scope") == "global" != plan.scope:
            # All layers share one rate; those that keep all their weights still do.
            rates = found.get("layer_rates", {})
            found["layer_rates"] = {
                key: rate for key, rate in rates.items() if not rate
            }
        return found

    return both


class Told:
    """Keras Tuner's `HyperParameters`, in which some values are told and not chosen.

    Args:
        hp: The `HyperParameters`.
        values: What is told, by name: it is given back, and never registered.

    Attributes:
        asked: The names that were asked for.
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
        """As that of Keras Tuner, which knows no parent that is told."""
        if parent not in self._values:
            with self._hp.conditional_scope(parent, values):
                yield
            return
        before = self._skips
        self._skips = before or self._values[parent] not in values
        try:
            yield
        finally:
            self._skips = before

    def _ask(self, method: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        self.asked.add(name)
        skips = self._skips
        if kwargs.get("parent_name") in self._values:
            parent, values = kwargs.pop("parent_name"), kwargs.pop("parent_values")
            listed = values if isinstance(values, list | tuple) else [values]
            skips = skips or self._values[parent] not in listed
        if skips:
            return None
        return (
            self._values[name]
            if name in self._values
            else method(name, *args, **kwargs)
        )


def choices(
    space: Space, hp: Any, told: Mapping[str, Any], asked: set[str]
) -> dict[str, Any]:
    """The fields of a plan that a space chooses, and those that are told.

    What the space asks for on some condition, and leaves out on others, is left out.

    Args:
        space: Of the search.
        hp: Keras Tuner's `HyperParameters`.
        told: Fields that are not chosen.
        asked: What the space ever asked for; added to.
    """
    asking = Told(hp, told)
    found = space(asking)
    if not isinstance(found, Mapping):
        raise TypeError(
            "A space must return a dict of fields of a Plan. Received: "
            f"{type(found).__name__}."
        )
    asked |= asking.asked
    return {**found, **{n: told[n] for n in told if n in found or n not in asked}}
