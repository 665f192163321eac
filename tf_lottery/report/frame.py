"""What the figures and the tables of a report show, as plain values.

A line is the tickets of a search, one kind of its controls, or the dense network;
its points pool what was trained alike: all replicates, and all draws of a control.
Figures draw lines and files hold them, so no figure has a number that no file has.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tf_lottery.core.history import History, Round
from tf_lottery.verdict.difference import STEP, known
from tf_lottery.verdict.judge import controlled_round, judge
from tf_lottery.verdict.monitor import test_name
from tf_lottery.verdict.spread import Spread

# A search; or several by name, of which each may be several histories.
Searches = History | Mapping[str, History | Sequence[History]]

DENSE, TICKET = "dense", "ticket"


@dataclass(frozen=True)
class Point:
    """What was trained alike: equal but for the seed.

    Attributes:
        round: The number of the round.
        density: The fraction of the weights that are kept, on the mean.
        trainings: What was trained.
    """

    round: int
    density: float
    trainings: tuple[Round, ...]

    def spread(self, metric: str) -> Spread | None:
        """The figures of a metric that are numbers; None where there are none."""
        figures = known(_figure(training, metric) for training in self.trainings)
        return Spread(figures) if figures else None

    def curve(self, metric: str) -> dict[float, Spread]:
        """A learning curve, by step: at the steps that all have."""
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

    Attributes:
        search: The name of the search; "" where there is one.
        kind: "ticket", "dense", or the name of a control.
        points: Its points.
    """

    search: str
    kind: str
    points: tuple[Point, ...]

    @property
    def name(self) -> str:
        """What it is called in a figure."""
        if not self.search:
            return self.kind
        return self.search if self.kind == TICKET else f"{self.search}: {self.kind}"

    def at(self, round: int) -> Point | None:
        """The point of a round."""
        return next((point for point in self.points if point.round == round), None)


def lines_of(searches: Searches) -> list[Line]:
    """The lines of one search or several: tickets, then controls, then dense.

    Several histories of one search are one line, as one-shot pruning to several
    densities is; a training that two of them share counts once.
    """
    return [
        line
        for name, histories in _by_name(searches).items()
        for line in _lines(name, histories)
    ]


def first(searches: Searches) -> History:
    """The first history: the one whose plan and monitor count."""
    return next(iter(_by_name(searches).values()))[0]


def score_name(searches: Searches) -> str:
    """What the figures show: the test figure of the monitored score, if there is one.

    It is what the claims against the dense network rest on.
    """
    history = first(searches)
    name = test_name(history.monitor)
    tested = any(name in round.outcome.metrics for round in history.trainings())
    return name if tested else history.monitor


def is_repeated(searches: Searches) -> bool:
    """Whether there is more than one line of one training a round."""
    lines = lines_of(searches)
    return len(lines) > 2 or any(
        len(point.trainings) > 1 for line in lines for point in line.points
    )


def curve_metrics(history: History) -> list[str]:
    """The learning curves that are shown: the monitored score, validation loss."""
    recorded = {name for round in history.trainings() for name in round.outcome.curves}
    names = dict.fromkeys((history.monitor, "val_loss"))
    return [name for name in names if name in recorded]


def curve_rounds(history: History) -> list[int]:
    """The tickets whose learning curves are shown: dense, chosen, between, and last."""
    verdict = judge(history)
    last = len(verdict.rounds) - 1
    return sorted({0, (verdict.chosen + 1) // 2, verdict.chosen, max(last, 0)})


def compared_round(history: History) -> int | None:
    """The round with controls that is nearest to the chosen one."""
    return controlled_round(history, judge(history).chosen)


def curve_lines(history: History) -> dict[str, list[tuple[Line, Point]]]:
    """The lines of each panel of learning curves: "tickets", and "controls" if any."""
    lines = lines_of(history)
    tickets = [line for line in lines if line.kind == TICKET]
    panels = {"tickets": _at(tickets, curve_rounds(history))}
    number = compared_round(history)
    if number is not None:
        others = [line for line in lines if line.kind != DENSE]
        panels["controls"] = _at(tickets, {0} - {number}) + _at(others, [number])
    return panels


def layers_of(history: History) -> dict[str, dict[int, Spread]]:
    """The density of each layer by round, over the replicates."""
    found: dict[str, dict[int, list[float]]] = {}
    for round in itertools.chain(*history.replicates):
        for layer, density in round.ticket.masks.by_layer().items():
            found.setdefault(layer, {}).setdefault(round.number, []).append(density)
    return {
        layer: {n: Spread(tuple(each)) for n, each in sorted(rounds.items())}
        for layer, rounds in found.items()
    }


def line_rows(searches: Searches) -> Iterator[dict[str, Any]]:
    """Each point of each line, a row a metric."""
    for line in lines_of(searches):
        for point in line.points:
            metrics = (training.outcome.metrics for training in point.trainings)
            for metric in dict.fromkeys([*itertools.chain(*metrics), STEP, "seconds"]):
                if spread := point.spread(metric):
                    of = {"metric": metric, "trainings": len(point.trainings)}
                    yield _where(line, point) | of | _numbers(spread)


def curve_rows(history: History) -> Iterator[dict[str, Any]]:
    """The learning curves that are drawn, a row a step."""
    panels = curve_lines(history).values()
    drawn = {id(point): (line, point) for panel in panels for line, point in panel}
    for line, point in drawn.values():
        for metric in curve_metrics(history):
            for step, spread in point.curve(metric).items():
                of = {"metric": metric, "trainings": len(point.trainings), "step": step}
                yield _where(line, point) | of | _numbers(spread)


def layer_rows(history: History) -> Iterator[dict[str, Any]]:
    """The density of each layer, a row a round."""
    for layer, rounds in layers_of(history).items():
        for number, spread in rounds.items():
            yield {"line": TICKET, "round": number, "layer": layer} | _numbers(spread)


def _by_name(searches: Searches) -> dict[str, Sequence[History]]:
    if isinstance(searches, History):
        return {"": (searches,)}
    return {
        name: (each,) if isinstance(each, History) else tuple(each)
        for name, each in searches.items()
    }


def _lines(search: str, histories: Sequence[History]) -> Iterator[Line]:
    # By kind, round and density; then by seed and draw, so that what two histories
    # share counts once.
    found: dict[str, dict[Any, dict[Any, Round]]] = {TICKET: {}}
    for history in histories:
        densities = _densities(history)
        for training in history.trainings():
            kind = training.control or TICKET
            at = training.number, densities[training.number]
            seed = history.plan.of_replicate(training.replicate).seed
            point = found.setdefault(kind, {}).setdefault(at, {})
            point.setdefault((seed, training.draw), training)
    lines = {
        kind: tuple(
            _point(number, tuple(found[kind][number, density].values()))
            for number, density in sorted(found[kind], key=lambda at: (-at[1], at[0]))
        )
        for kind in found
    }
    yield from (Line(search, kind, points) for kind, points in lines.items())
    if dense := [point for point in lines[TICKET] if point.round == 0]:
        yield Line(search, DENSE, tuple(dense))


def _densities(history: History) -> dict[int, float]:
    """What the tickets of each round keep, so that equal rounds are found equal."""
    longest = max(history.replicates, key=len, default=())
    return {round.number: float(f"{round.ticket.density:.6g}") for round in longest}


def _point(number: int, trainings: tuple[Round, ...]) -> Point:
    densities = Spread(tuple(training.ticket.density for training in trainings))
    return Point(number, densities.mean, trainings)


def _at(lines: Iterable[Line], rounds: Iterable[int]) -> list[tuple[Line, Point]]:
    found = [(line, line.at(number)) for number in rounds for line in lines]
    return [(line, point) for line, point in found if point]


def _figure(training: Round, metric: str) -> float:
    if metric == STEP:
        return float(training.outcome.best_step)
    if metric == "seconds":
        return float(training.outcome.seconds)
    return training.score(metric)


def _where(line: Line, point: Point) -> dict[str, Any]:
    return {
        "search": line.search,
        "line": line.kind,
        "round": point.round,
        "density": point.density,
    }


def _numbers(spread: Spread) -> dict[str, Any]:
    return {
        "n": len(spread),
        "mean": spread.mean,
        "low": spread.low,
        "high": spread.high,
    }
