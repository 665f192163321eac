"""Which round is returned, and whether its ticket wins by the paper's definition.

A ticket matches when its validation score is within the tolerance of the dense
network's. It wins when also its step of minimum validation loss is no later and
it keeps at most half of the weights. Test figures never decide.
"""

import math
import re
from dataclasses import dataclass

from tf_lottery.core.plan import Plan
from tf_lottery.core.records import History

MAX_DENSITY = 0.5
_KNOWN = re.compile(
    r"(?:^|_)(?:(?P<higher>acc|accuracy|auc|precision|recall|f1|f1_score)"
    r"|loss|error|mse|mae|mape|msle)(?:_\d+)?$"
)


@dataclass(frozen=True)
class Choice:
    """The number of a round, whether its ticket won, and the reason in words."""

    number: int
    won: bool
    reason: str


def maximizes(monitor: str, plan: Plan) -> bool:
    """Whether a higher monitored score is better.

    Raises:
        ValueError: mode="auto" does not know the score.
    """
    if plan.mode != "auto":
        return plan.mode == "max"
    # At the end: what stands before is the name of an output.
    if known := _KNOWN.search(monitor):
        return known["higher"] is not None
    raise ValueError(
        f"Whether a higher {monitor!r} is better is not known. "
        'Pass `mode="max"` or `mode="min"`, or another `monitor`.'
    )


def choose(history: History) -> Choice:
    """The sparsest winner, else the sparsest match, else the best pruned round."""
    pruned = range(1, len(history))
    if not pruned:
        return Choice(0, False, "No round was pruned: this is the dense network.")
    matches = [number for number in pruned if _matches(history, number)]
    winners = [number for number in matches if _is_early_and_small(history, number)]
    if not history.monitor.startswith("val_"):
        number = matches[-1] if matches else _best(history)
        return Choice(number, False, "No verdict is possible without validation data.")
    if winners:
        return Choice(winners[-1], True, _why_won(history, winners[-1]))
    if matches:
        return Choice(matches[-1], False, _why_only_matches(history, matches[-1]))
    best = _best(history)
    reason = (
        f"No ticket matches the dense network; the best has {_compared(history, best)}"
    )
    return Choice(best, False, f"{reason}.")


def _matches(history: History, number: int) -> bool:
    gain = history.score(number) - history.score(0)
    loss, tolerance = (-gain if history.maximize else gain), history.plan.tolerance
    # Scores are float32: a loss of exactly the tolerance may come out above it.
    return loss <= 1.001 * tolerance


def _is_early_and_small(history: History, number: int) -> bool:
    dense, round = history[0], history[number]
    early = round.outcome.best_step <= dense.outcome.best_step
    return early and round.ticket.density <= MAX_DENSITY


def _best(history: History) -> int:
    """The pruned round with the best score; of equal ones the sparsest."""
    sign = 1 if history.maximize else -1

    def rank(number: int) -> tuple[float, int]:
        score = sign * history.score(number)
        return (-math.inf if math.isnan(score) else score), number

    return max(range(1, len(history)), key=rank)


def _why_won(history: History, number: int) -> str:
    steps = _steps(history, number)
    return f"A winning ticket: {_compared(history, number)}, {steps}."


def _why_only_matches(history: History, number: int) -> str:
    round = history[number]
    if round.ticket.density > MAX_DENSITY:
        lacks = f"it keeps more than {MAX_DENSITY:.0%} of the weights"
    else:
        lacks = f"its {_steps(history, number)}"
    compared = _compared(history, number)
    return f"The ticket matches but does not win: {compared}, but {lacks}."


def _compared(history: History, number: int) -> str:
    density = history[number].ticket.density
    ours, dense = history.score(number), history.score(0)
    score = f"{history.monitor} {ours:.4f} (dense {dense:.4f})"
    return f"{density:.1%} of the weights, {score}"


def _steps(history: History, number: int) -> str:
    ours, dense = (history[n].outcome.best_step for n in (number, 0))
    return f"minimum validation loss is at step {ours:,} (dense {dense:,})"
