"""What the figures and the tables of a report show, as plain values.

A line is the tickets of a search, one kind of its controls, or the dense network. A
point pools what was trained in the same way: all replicates, and all draws of a
control. Figures draw lines and files hold them: every number of a figure is in a file.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tf_lottery.core.history import History, Round
from tf_lottery.verdict.difference import figure, known, score_name
from tf_lottery.verdict.judge import Verdict, controlled_round, judge
from tf_lottery.verdict.spread import Spread

# A search; or several by name, each of one history or several.
Searches = History | Mapping[str, History | Sequence[History]]

DENSE, TICKET = "dense", "ticket"


@dataclass(frozen=True)
class Point:
    """What was trained in the same way, except for the seed."""

    round: int
    trainings: tuple[Round, ...]

    @cached_property
    def density(self) -> float:
        """The fraction of the weights that are kept, on average."""
        return Spread(tuple(each.ticket.density for each in self.trainings)).mean

    def spread(self, metric: str) -> Spread | None:
        """The finite values of a metric; None if there are none."""
        figures = known(figure(training, metric) for training in self.trainings)
        return Spread(figures) if figures else None

    def curve(self, metric: str) -> dict[float, Spread]:
        """A learning curve by step, at the steps that all trainings have."""
        curves = [
            dict(zip(curves["step"], curves[metric], strict=True))
            for curves in (training.outcome.curves for training in self.trainings)
            if metric in curves and "step" in curves
        ]
        shared = [s for s in curves[0] if all(s in c for c in curves)] if curves else []
        figures = {step: known(curve[step] for curve in curves) for step in shared}
        return {step: Spread(each) for step, each in figures.items() if each}


@dataclass(frozen=True)
class Line:
    """Points of one kind, from the densest to the sparsest.

    `kind` is "ticket", "dense", or the name of a control; `search` is "" if there is
    only one search.
    """

    search: str
    kind: str
    points: tuple[Point, ...]

    @property
    def name(self) -> str:
        """Its name in a figure."""
        if not self.search:
            return self.kind
        return self.search if self.kind == TICKET else f"{self.search}: {self.kind}"

    def at(self, round: int) -> Point | None:
        """The point of a round."""
        return next((point for point in self.points if point.round == round), None)


class Frame:
    """What a report shows of one search, or of several; computed once, when needed.

    Args:
        searches: A history; or several by name, each of one search or of several
            searches that make one line, as one-shot pruning to several densities does.
    """

    def __init__(self, searches: Searches) -> None:
        named = {"": searches} if isinstance(searches, History) else searches
        self._histories = {
            name: (each,) if isinstance(each, History) else tuple(each)
            for name, each in named.items()
        }
        self.is_single = isinstance(searches, History)

    @property
    def history(self) -> History:
        """The first history, whose plan and monitor count."""
        return next(iter(self._histories.values()))[0]

    @cached_property
    def verdict(self) -> Verdict:
        """The verdict on the first history."""
        return judge(self.history)

    @cached_property
    def score(self) -> str:
        """The score that tables and figures show, see `score_name`."""
        return score_name(self.history)

    @cached_property
    def lines(self) -> list[Line]:
        """The lines of each search: tickets, then controls, then dense.

        A training that two histories of one search share counts once.
        """
        found = self._histories.items()
        return [line for name, histories in found for line in _lines(name, histories)]

    @property
    def places(self) -> list[tuple[Line, Point]]:
        """Each point, with its line."""
        return [(line, point) for line in self.lines for point in line.points]

    @property
    def is_pooled(self) -> bool:
        """Whether a point stands for several trainings."""
        return any(len(point.trainings) > 1 for _, point in self.places)

    @property
    def is_repeated(self) -> bool:
        """Whether there is more than one line with one training per round."""
        return len(self.lines) > 2 or self.is_pooled

    @cached_property
    def curve_metrics(self) -> list[str]:
        """The learning curves that are shown: the monitored score, validation loss."""
        trainings = self.history.trainings()
        recorded = {name for round in trainings for name in round.outcome.curves}
        names = dict.fromkeys((self.history.monitor, "val_loss"))
        return [name for name in names if name in recorded]

    @property
    def curve_rounds(self) -> list[int]:
        """The rounds whose curves are shown: dense, chosen, one between, and last."""
        chosen, last = self.verdict.chosen, len(self.verdict.rounds) - 1
        return sorted({0, (chosen + 1) // 2, chosen, max(last, 0)})

    @property
    def controlled_round(self) -> int | None:
        """The round with controls that is nearest to the chosen one."""
        return controlled_round(self.history, self.verdict.chosen)

    @cached_property
    def curves(self) -> dict[str, list[tuple[Line, Point]]]:
        """The lines of each panel of curves: "tickets", and "controls" if any."""
        tickets = [line for line in self.lines if line.kind == TICKET]
        panels = {"tickets": _at(tickets, self.curve_rounds)}
        number = self.controlled_round
        if number is not None:
            others = [line for line in self.lines if line.kind != DENSE]
            panels["controls"] = _at(tickets, {0} - {number}) + _at(others, [number])
        return panels

    @cached_property
    def layers(self) -> dict[str, dict[int, Spread]]:
        """The density of each layer by round, over the replicates."""
        found: dict[str, dict[int, list[float]]] = {}
        for round in itertools.chain(*self.history.replicates):
            for layer, density in round.ticket.masks.by_layer().items():
                found.setdefault(layer, {}).setdefault(round.number, []).append(density)
        return {
            layer: {n: Spread(tuple(each)) for n, each in sorted(rounds.items())}
            for layer, rounds in found.items()
        }


def frame_of(searches: Searches | Frame) -> Frame:
    """The frame of searches; a frame is returned as it is."""
    return searches if isinstance(searches, Frame) else Frame(searches)


def _lines(search: str, histories: Sequence[History]) -> Iterator[Line]:
    # By kind, round and density; then by seed and draw: what two histories share
    # counts once.
    found: dict[str, dict[Any, dict[Any, Round]]] = {TICKET: {}}
    for history in histories:
        # Rounded: equal rounds of two histories are equal.
        longest = max(history.replicates, key=len, default=())
        densities = {r.number: float(f"{r.ticket.density:.6g}") for r in longest}
        for training in history.trainings():
            kind = training.control or TICKET
            at = training.number, densities[training.number]
            seed = history.plan.of_replicate(training.replicate).seed
            point = found.setdefault(kind, {}).setdefault(at, {})
            point.setdefault((seed, training.draw), training)
    lines = {
        kind: tuple(
            Point(number, tuple(found[kind][number, density].values()))
            for number, density in sorted(found[kind], key=lambda at: (-at[1], at[0]))
        )
        for kind in found
    }
    yield from (Line(search, kind, points) for kind, points in lines.items())
    if dense := [point for point in lines[TICKET] if point.round == 0]:
        yield Line(search, DENSE, tuple(dense))


def _at(lines: Iterable[Line], rounds: Iterable[int]) -> list[tuple[Line, Point]]:
    found = [(line, line.at(number)) for number in rounds for line in lines]
    return [(line, point) for line, point in found if point]
