"""Search spaces: which choices of a plan a sweep may make.

A space is any function from Keras Tuner's `HyperParameters` to fields of a `Plan`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tf_lottery.core.plan import RETRAIN, SCOPES

Space = Callable[[Any], Mapping[str, Any]]


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
