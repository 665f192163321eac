"""The headline of a report: the ticket against dense, in test score and in steps."""

import math
from collections.abc import Iterator
from typing import NamedTuple

from tf_lottery.report.frame import DENSE, Frame
from tf_lottery.report.table import gain_over
from tf_lottery.verdict import formats
from tf_lottery.verdict.difference import Difference
from tf_lottery.verdict.judge import RoundVerdict
from tf_lottery.verdict.wording import kept


class Fact(NamedTuple):
    """What a figure is, the figure, and what it is compared with."""

    name: str
    value: str
    more: str


def headline(frame: Frame) -> list[Fact]:
    """The facts above all others; none if nothing was pruned.

    They are the score of the ticket on test data (without: the monitored score), the
    most accurate ticket of all rounds by the monitored score, and how much earlier
    the ticket reaches its minimum of validation loss. Several replicates are means.
    """
    chosen = frame.verdict.rounds[frame.verdict.chosen]
    if not chosen.number:
        return []
    facts = [*_score(frame, chosen), *_best(frame)]
    return [*facts, *_steps(chosen)] if frame.history.is_validated else facts


def _score(frame: Frame, chosen: RoundVerdict) -> Iterator[Fact]:
    if found := gain_over(chosen, DENSE, frame.score):
        name = f"{frame.score} of the ticket"
        yield Fact(name, formats.score(found.ours.mean), _against_dense(found))


def _best(frame: Frame) -> Iterator[Fact]:
    monitor, sign = frame.history.monitor, 1 if frame.history.maximize else -1
    pruned = frame.verdict.rounds[1:]
    scores = {
        each: sign * each.score.mean
        for each in pruned
        if each.replicates == pruned[0].replicates and not math.isnan(each.score.mean)
    }
    if not scores:
        return
    best = max(scores, key=lambda each: (scores[each], each.number))
    kind = "Most accurate" if "acc" in monitor else "Best"
    more = [f"round {best.number}", f"{monitor} {formats.score(best.score.mean)}"]
    found = gain_over(best, DENSE, frame.score)
    if found and frame.score != monitor:
        score = formats.score(found.ours.mean)
        more.append(f"{frame.score} {score} ({_against_dense(found)})")
    by = "validation" if frame.history.is_validated else "training"
    yield Fact(f"{kind} ticket, by {by}", kept(best), ", ".join(more))


def _steps(chosen: RoundVerdict) -> Iterator[Fact]:
    steps = chosen.steps
    if not chosen.rewound or not steps.theirs.mean:
        return  # training began with trained weights: steps cannot be compared
    gain, name = steps.gain.mean, "Minimum validation loss"
    ours, dense = (formats.step(each.mean) for each in (steps.ours, steps.theirs))
    at = f"step {ours}, dense {dense}"
    if not gain:
        yield Fact(name, "Same step as dense", at)
        return
    word = "earlier" if gain > 0 else "later"
    value = f"{formats.step(abs(gain))} step{'s' * (abs(gain) != 1)} {word}"
    percent = f"{abs(gain) / steps.theirs.mean:.1%} {word} than dense"
    yield Fact(name, value, f"{percent}{_chance(steps)}: {at}")


def _against_dense(found: Difference) -> str:
    """The dense network's figure, and the difference from it."""
    dense = formats.figure(found.theirs.mean, found.metric)
    if not any(found.spread.values):
        return f"dense {dense}, equal"
    return f"dense {dense}, {formats.change(found)}{_chance(found)}"


def _chance(found: Difference) -> str:
    """Whether the difference may be chance.

    Of one replicate, or of equal differences, nothing is known.
    """
    interval = found.spread.interval
    is_known = interval is not None and interval[0] != interval[1]
    return ", not resolved" if is_known and not found.resolved else ""
