"""Checks of the controls of a plan, and of the rounds that have them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from tf_lottery.core.checks import is_count
from tf_lottery.core.choices import (
    CONTROLS,
    check_control,
    known_control,
    name_of_control,
)

# Names in tables and figures that do not belong to a control.
RESERVED = ("dense", "ticket")

Controls = tuple[str | Callable[..., Any], ...]


def checked_controls(controls: Any, retrain: str = "rewind") -> Controls:
    """The controls as a tuple; functions of `tf_lottery.controls` by their names.

    Raises:
        ValueError: An unknown name, two controls with one name, or a control that
            needs weights that `retrain` does not keep.
    """
    single = not isinstance(controls, Iterable) or isinstance(controls, str)
    listed = (controls,) if single else tuple(controls)
    for control in listed:
        check_control(control)
    chosen: Controls = tuple(map(known_control, listed))
    names = [name_of_control(control) for control in chosen]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(
            "`controls` must have different names: each has a directory of its name. "
            f"Received twice: {', '.join(map(repr, twice))}."
        )
    own = {name_of_control(control) for control in chosen if callable(control)}
    if taken := sorted(own & {*RESERVED, *CONTROLS}):
        raise ValueError(
            "A control must have a name of its own in files and tables. "
            f"Received: {', '.join(map(repr, taken))}, which is taken. Rename the "
            "function."
        )
    if retrain != "rewind" and "shuffle" in chosen:
        raise ValueError(
            "The control 'shuffle' needs the starting values of removed weights, which "
            'only retrain="rewind" keeps. '
            f"Received: controls={tuple(names)!r}, retrain={retrain!r}. "
            "Use the control 'random_mask' instead."
        )
    return chosen


def checked_rounds(chosen: Any, controls: Controls, rounds: int) -> Any:
    """The rounds that have controls: a tuple, a dict of one per control, or None.

    Raises:
        ValueError: A control that is not in the plan or is missing, or a round that
            is not pruned.
    """
    if chosen is None:
        return None
    if not isinstance(chosen, Mapping):
        numbers = _pruned_rounds(chosen, rounds)
        if numbers and not controls:
            raise ValueError(
                "`control_rounds` only has a meaning with `controls`. "
                f"Received: control_rounds={chosen!r}, controls=()."
            )
        return numbers
    names = [name_of_control(control) for control in controls]
    wrong = [f"Missing: {name!r}." for name in names if name not in chosen]
    wrong += [f"Not a control of the plan: {n!r}." for n in chosen if n not in names]
    if wrong:
        raise ValueError(
            "`control_rounds` must have one entry per control of the plan. "
            f"{' '.join(wrong)} Received: controls={tuple(names)!r}."
        )
    return {name: _pruned_rounds(chosen[name], rounds) for name in names}


def _pruned_rounds(chosen: Any, rounds: int) -> tuple[int, ...]:
    listed = tuple(chosen) if isinstance(chosen, Iterable) else (chosen,)
    numbers = tuple(n.item() if isinstance(n, np.integer) else n for n in listed)
    if not all(is_count(n) and n <= rounds for n in numbers):
        raise ValueError(
            f"`control_rounds` must be pruned rounds, 1 to {rounds}. "
            f"Received: {chosen!r}."
        )
    return numbers
