"""Checks of a plan's values; the errors say what to write instead."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tf_lottery.core.checks import (
    check_choice,
    check_count,
    check_fraction,
    is_number,
    is_rate,
)
from tf_lottery.core.choices import MODES, RETRAIN, SCOPES, check_criterion
from tf_lottery.core.steps import check_length, to_steps

if TYPE_CHECKING:
    from tf_lottery.core.plan import Plan


def check_plan(plan: "Plan") -> None:
    """Raises unless the values of a plan can work, alone and together.

    Blocks and controls are checked elsewhere, where they are normalized.
    """
    _check_lengths(plan)
    _check_pruning(plan)
    _check_retraining(plan)
    _check_judgement(plan)


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
    if type(plan.seed) is not int or plan.seed < 0:
        raise ValueError(
            f"`seed` must be an integer >= 0. Received: seed={plan.seed!r}."
        )


def _check_judgement(plan: "Plan") -> None:
    check_choice("mode", plan.mode, MODES)
    if not is_number(plan.tolerance) or not 0 <= plan.tolerance < math.inf:
        raise ValueError(
            "`tolerance` must be a number >= 0, in units of the monitored score. "
            f"Received: tolerance={plan.tolerance!r}."
        )
