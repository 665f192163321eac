"""What a ticket gains: paired differences from the dense network and the controls.

A difference is taken within a replicate: both sides have the same seed, and its effect
on both cancels. The draws of a control are averaged first.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_lottery.core.history import History, Round
from tf_lottery.verdict.monitor import gives_fractions, test_name
from tf_lottery.verdict.spread import Spread

STEP = "best_step"


@dataclass(frozen=True)
class Difference:
    """Tickets minus what they are compared with, paired by replicate.

    Attributes:
        against: "dense", or the name of a control.
        metric: What is compared: a score, or "best_step".
        maximize: Whether more is better.
        ours: The tickets, one value per replicate that has both sides.
        theirs: What they are compared with, in the same order.
    """

    against: str
    metric: str
    maximize: bool
    ours: Spread
    theirs: Spread

    def __len__(self) -> int:
        return len(self.ours)

    @property
    def spread(self) -> Spread:
        """Ours minus theirs."""
        pairs = zip(self.ours.values, self.theirs.values, strict=True)
        return Spread(tuple(_minus(ours, theirs) for ours, theirs in pairs))

    @property
    def gain(self) -> Spread:
        """By how much ours are better: the spread, negated where less is better."""
        values = self.spread.values
        return Spread(values if self.maximize else tuple(-value for value in values))

    @property
    def better_in(self) -> int:
        """In how many replicates ours is better."""
        return sum(value > 0 for value in self.gain.values)

    @property
    def resolved(self) -> int:
        """1 if ours are better, -1 if they are worse, 0 if it may be chance.

        Without an interval, or with one of zero width, nothing is resolved.
        """
        low, high = self.gain.interval or (0.0, 0.0)
        if low == high:
            return 0
        return int(low > 0) - int(high < 0)

    @property
    def ratio(self) -> float | None:
        """The mean of theirs as a multiple of the mean of ours."""
        return self.theirs.mean / self.ours.mean if self.ours.mean else None

    @property
    def is_in_points(self) -> bool:
        """Whether it is a difference of fractions, which is written in points."""
        high = max(self.ours.high, self.theirs.high)
        return gives_fractions(self.metric) and high <= 1

    def is_worse_by_more_than(self, tolerance: float) -> bool:
        """Whether the whole interval is a loss larger than the tolerance."""
        interval = self.gain.interval
        return bool(interval and self.resolved < 0 and interval[1] < -tolerance)

    def record(self) -> dict[str, Any]:
        """All values, as plain Python values."""
        return {
            "against": self.against,
            "metric": self.metric,
            "maximize": self.maximize,
            "ticket": self.ours.record(),
            "other": self.theirs.record(),
            "difference": self.spread.record(),
            "better_in": self.better_in,
            "resolved": self.resolved,
            "ratio": self.ratio,
        }


def against_dense(
    history: History, ours: Sequence[Round], dense: Sequence[Round]
) -> tuple[Difference, Difference]:
    """The differences in the monitored score and in the best step; NaN scores stay."""

    def of(metric: str, maximize: bool) -> Difference:
        sides = (tuple(figure(each, metric) for each in side) for side in (ours, dense))
        return Difference("dense", metric, maximize, *map(Spread, sides))

    return of(history.monitor, history.maximize), of(STEP, False)


def differences(history: History, number: int) -> Iterator[Difference]:
    """The differences of a round's tickets from the dense network and each control.

    Two of each: in the score of `score_name`, and in the best step. Replicates that
    lack either side are left out.
    """
    score = score_name(history)
    for against, others in _others(history, number).items():
        for metric, maximize in (score, history.maximize), (STEP, False):
            pairs = [
                (figure(history.replicates[replicate][number], metric), other)
                for replicate, rounds in sorted(others.items())
                for other in [_mean(rounds, metric)]
            ]
            if complete := [pair for pair in pairs if np.isfinite(pair).all()]:
                ours, theirs = map(Spread, zip(*complete, strict=True))
                yield Difference(against, metric, maximize, ours, theirs)


def score_name(history: History) -> str:
    """The score that claims rest on: the test figure of the monitored score.

    Without test data it is the monitored score itself.
    """
    name = test_name(history.monitor)
    is_tested = any(name in round.outcome.metrics for round in history.trainings())
    return name if is_tested else history.monitor


def figure(training: Round, metric: str) -> float:
    """A figure of a training: a metric, "best_step" or "seconds"; NaN if missing."""
    if metric in (STEP, "seconds"):
        return float(getattr(training.outcome, metric))
    return training.score(metric)


def known(figures: Iterable[float]) -> tuple[float, ...]:
    """The figures that are finite."""
    return tuple(each for each in figures if math.isfinite(each))


def _others(history: History, number: int) -> dict[str, dict[int, list[Round]]]:
    """What the tickets of a round are compared with, by name and replicate."""
    having = {r for r, each in enumerate(history.replicates) if len(each) > number}
    others: dict[str, dict[int, list[Round]]] = {}
    if number:
        others["dense"] = {r: [history.replicates[r][0]] for r in having}
    for control in history.controls:
        if control.number == number and control.replicate in having:
            draws = others.setdefault(str(control.control), {})
            draws.setdefault(control.replicate, []).append(control)
    return others


def _mean(draws: Sequence[Round], metric: str) -> float:
    figures = known(figure(draw, metric) for draw in draws)
    return Spread(figures).mean if figures else math.nan


def _minus(ours: float, theirs: float) -> float:
    scale = max(abs(ours), abs(theirs))
    if not scale or not math.isfinite(ours - theirs):
        return ours - theirs
    # Scores are float32: beyond the sixth digit, equal differences would differ.
    return round(ours - theirs, 5 - math.floor(math.log10(scale)))
