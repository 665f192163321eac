"""The arguments of `LotteryTuner.search`: those of `find_ticket`, in two groups."""

import difflib
from collections.abc import Mapping
from typing import Any, NamedTuple

from tf_lottery.tuner.hypermodel import PLAN_FIELDS

_TRAINER = {
    *("validation_data", "test_data", "class_weight", "validation_split"),
    *("callbacks", "allow_early_stop", "strategy"),
}


class Arguments(NamedTuple):
    """Arguments of a search.

    Attributes:
        plan: Fields of a `Plan`, which are equal for all trials.
        trainer: The others, of a `Trainer`.
    """

    plan: dict[str, Any]
    trainer: dict[str, Any]


def sorted_arguments(arguments: Mapping[str, Any], sets_epochs: bool) -> Arguments:
    """The arguments in groups; raises for one that a sweep does not take.

    `sets_epochs` says whether the oracle sets the length of a training.
    """
    known = PLAN_FIELDS | _TRAINER
    if unknown := sorted(set(arguments) - known):
        close = difflib.get_close_matches(unknown[0], known, 1)
        raise TypeError(
            "`search` takes one `dataset` and arguments of `find_ticket`, except "
            "those that the tuner has itself: `directory`, `seed` and "
            f"`executions_per_trial`. Received: {', '.join(unknown)}."
            + (f" Did you mean {close[0]}?" if close else "")
        )
    plan = {name: arguments[name] for name in arguments if name in PLAN_FIELDS}
    if sets_epochs and (plan.get("steps") or "epochs" in plan):
        raise ValueError(
            "Hyperband sets the length of each training in epochs, up to its "
            "`max_epochs`. Received: `epochs` or `steps`. Leave them out."
        )
    return Arguments(plan, {k: v for k, v in arguments.items() if k not in plan})
