"""Checks of a plan's values; the errors say what to write instead."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_lottery.core.checks import (
    check_choice,
    check_count,
    check_fraction,
    is_count,
    is_number,
    is_rate,
)
from tf_lottery.core.choices import (
    CONTROLS,
    MODES,
    RETRAIN,
    SCOPES,
    check_control,
    check_criterion,
    known_control,
    name_of_control,
)
from tf_lottery.core.fields import LARGEST
from tf_lottery.core.steps import check_length, to_steps

if TYPE_CHECKING:
    from tf_lottery.core.plan import Plan

_RESERVED = ("dense", "ticket")  # names in tables and figures
_Controls = tuple[str | Callable[..., Any], ...]


def check_plan(plan: "Plan") -> None:
    """Raises unless the values of a plan can work, alone and together.

    Blocks and controls are checked where they are normalized.
    """
    _check_lengths(plan)
    _check_pruning(plan)
    _check_retraining(plan)
    _check_judgement(plan)
    if plan.together != "auto" and not is_count(plan.together):
        raise ValueError(
            '`together` must be "auto" or an integer >= 1. Received: '
            f"together={plan.together!r}."
        )


def checked_controls(controls: Any, retrain: str = "rewind") -> _Controls:
    """The controls as a tuple; functions of `tf_lottery.controls` by their names."""
    single = not isinstance(controls, Iterable) or isinstance(controls, str)
    listed = (controls,) if single else tuple(controls)
    for control in listed:
        check_control(control)
    chosen: _Controls = tuple(map(known_control, listed))
    names = [name_of_control(control) for control in chosen]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(
            "`controls` must have different names: each has a directory of its name. "
            f"Received twice: {', '.join(map(repr, twice))}."
        )
    own = {name_of_control(control) for control in chosen if callable(control)}
    if taken := sorted(own & {*_RESERVED, *CONTROLS}):
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


def checked_rounds(chosen: Any, controls: _Controls, rounds: int) -> Any:
    """The rounds that have controls: a tuple, a dict of one per control, or None."""
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


def _check_lengths(plan: "Plan") -> None:
    for name in ("rounds", "epochs", "control_replicates", "replicates"):
        check_count(name, getattr(plan, name))
    for name in ("steps", "steps_per_epoch", "batch_size", "evaluate_every"):
        if getattr(plan, name) is not None:
            check_count(name, getattr(plan, name))
    if plan.steps is not None and plan.epochs != 1:
        raise ValueError(
            "The length of a training must be `epochs` or `steps`, not both. "
            f"Received: epochs={plan.epochs}, steps={plan.steps}."
        )


def _check_pruning(plan: "Plan") -> None:
    if not isinstance(plan.layer_rates, Mapping):
        raise TypeError(
            '`layer_rates` must be a dict, like {"logits": 0.1}. '
            f"Received: layer_rates={plan.layer_rates!r}."
        )
    check_fraction("pruning_rate", plan.pruning_rate)
    check_choice("scope", plan.scope, SCOPES)
    check_criterion(plan.criterion)
    for key, value in plan.layer_rates.items():
        if not isinstance(key, str) or not is_rate(value):
            raise ValueError(
                "`layer_rates` must map names of layers to fractions in [0, 1); 0 "
                "leaves a layer alone. "
                f"Received: {value!r} for {key!r}."
            )
        if plan.scope == "global" and value != 0:
            raise ValueError(
                'With scope="global" all layers share `pruning_rate`, and '
                "`layer_rates` may only be 0, to leave a layer alone. "
                f"Received: {value!r} for {key!r}."
            )


def _check_retraining(plan: "Plan") -> None:
    check_choice("retrain", plan.retrain, RETRAIN)
    check_length("rewind_to", plan.rewind_to)
    if plan.retrain != "rewind" and to_steps(plan.rewind_to, 1) != 0:
        raise ValueError(
            '`rewind_to` only has a meaning with retrain="rewind". Received: '
            f"rewind_to={plan.rewind_to!r}, retrain={plan.retrain!r}."
        )
    if type(plan.seed) is not int or not 0 <= plan.seed < LARGEST:
        raise ValueError(
            f"`seed` must be an integer from 0 to 2**63 - 1. Received: {plan.seed!r}."
        )


def _check_judgement(plan: "Plan") -> None:
    check_choice("mode", plan.mode, MODES)
    if not is_number(plan.tolerance) or not 0 <= plan.tolerance < math.inf:
        raise ValueError(
            "`tolerance` must be a number >= 0, in units of the monitored score. "
            f"Received: tolerance={plan.tolerance!r}."
        )


def _pruned_rounds(chosen: Any, rounds: int) -> tuple[int, ...]:
    listed = tuple(chosen) if isinstance(chosen, Iterable) else (chosen,)
    numbers = tuple(n.item() if isinstance(n, np.integer) else n for n in listed)
    if not all(is_count(n) and n <= rounds for n in numbers):
        raise ValueError(
            f"`control_rounds` must be pruned rounds, 1 to {rounds}. "
            f"Received: {chosen!r}."
        )
    return numbers
