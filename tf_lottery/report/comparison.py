"""Several searches side by side: one-shot pruning, continued training, other rates."""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rich.box
import rich.console
import rich.table

from tf_lottery.core.archive import PathLike, write_json
from tf_lottery.core.history import History
from tf_lottery.core.plan import Plan
from tf_lottery.report import formats
from tf_lottery.report.files import figures_to_csv
from tf_lottery.report.frame import (
    DENSE,
    Line,
    Point,
    first,
    line_rows,
    lines_of,
    score_name,
)
from tf_lottery.report.plots import plot
from tf_lottery.verdict.difference import STEP, Difference
from tf_lottery.verdict.monitor import maximizes
from tf_lottery.verdict.spread import Spread

# Densities that are planned equal differ by the rounding of a few rounds.
_EQUAL = 0.01
# What searches under one name may differ in.
_RATES = {"pruning_rate", "layer_rates", "seed"}


@dataclass(frozen=True, repr=False)
class Comparison:
    """Searches by name; the others are compared with the first.

    Attributes:
        searches: The histories of each. Several of one search are one line, as those
            of one-shot pruning to several densities are.
    """

    searches: Mapping[str, History | Sequence[History]]

    def __repr__(self) -> str:
        return f"<Comparison of {', '.join(self.searches)}>"

    def rows(self) -> list[dict[str, Any]]:
        """Each point of each line, a row a metric."""
        return list(line_rows(self.searches))

    def differences(self, metric: str | None = None) -> list[tuple[Line, Difference]]:
        """What the first search has more than the others, where densities are equal.

        Paired by seed. `metric` is by default the test figure of the monitored score.
        """
        metric = metric or score_name(self.searches)
        lines = [line for line in lines_of(self.searches) if line.kind != DENSE]
        return [
            (Line(line.search, line.kind, (point,)), difference)
            for line in lines[1:]
            for point in line.points
            for difference in self._difference(lines[0], line, point, metric)
        ]

    def gains(self) -> Iterator[tuple[Line, Point, Difference | None]]:
        """Each point, with what the first search has more, if that is known.

        Of the first search the tickets alone: its controls are in its own tables.
        """
        metric, own = score_name(self.searches), next(iter(self.searches))
        lines = [line for line in lines_of(self.searches) if line.kind != DENSE]
        for line in lines:
            if line.search == own and line is not lines[0]:
                continue
            for point in line.points:
                found = self._difference(lines[0], line, point, metric)
                yield line, point, found[0] if found else None

    def table(self, width: int = 88) -> str:
        """The lines as text: a row a density."""
        metric = score_name(self.searches)
        view = rich.table.Table(box=rich.box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        gains = (gain for _, _, gain in self.gains() if gain)
        unit = next((f",{formats.gain_unit(gain)}" for gain in gains), "").rstrip(",")
        named = f"gain of\n{next(iter(self.searches))}{unit}"
        for name in ("search", "density", "n", metric, named, "best\nstep"):
            view.add_column(name, justify="left" if name == "search" else "right")
        for line, point, gain in self.gains():
            scores, steps = point.spread(metric), point.spread(STEP)
            view.add_row(
                line.name,
                formats.density(point.density),
                str(len(point.trainings)),
                _lines(formats.score, scores),
                "\n".join(formats.gain(gain)).strip() if gain else "",
                formats.step(steps.mean) if steps else "-",
            )
        text = io.StringIO()
        rich.console.Console(file=text, width=width).print(view)
        return "\n".join(line.rstrip() for line in text.getvalue().splitlines())

    def plot(self, path: PathLike) -> None:
        """Writes a PNG with all lines, see `report.plot`."""
        plot(self.searches, path)

    def to_json(self, path: PathLike) -> None:
        """Writes the points, and what the first search has more than the others."""
        gains = [
            {
                "search": line.search,
                "line": line.kind,
                "density": line.points[0].density,
            }
            | difference.record()
            for metric in (score_name(self.searches), STEP)
            for line, difference in self.differences(metric)
        ]
        write_json(path, {"points": self.rows(), "differences": gains})

    def to_csv(self, path: PathLike) -> None:
        """Writes the numbers of the figure, see `report.figures_to_csv`."""
        figures_to_csv(self.searches, path)

    def _difference(
        self, base: Line, line: Line, point: Point, metric: str
    ) -> list[Difference]:
        """At most one: the first line minus a point of another."""
        if line is base:
            return []
        near = [
            other
            for other in base.points
            if abs(other.density - point.density) <= _EQUAL * point.density
        ]
        pairs = [
            (ours, theirs)
            for other in near[:1]
            for seed, theirs in _by_seed(point, metric).items()
            for ours in [_by_seed(other, metric).get(seed)]
            if ours is not None and math.isfinite(ours - theirs)
        ]
        if not pairs:
            return []
        ours, theirs = (Spread(tuple(side)) for side in zip(*pairs, strict=True))
        maximize = metric != STEP and _maximizes(metric, first(self.searches))
        return [Difference(line.name, metric, maximize, ours, theirs)]


def compare(
    history: History, *, name: str = "iterative", **others: History | Sequence[History]
) -> Comparison:
    """Puts searches into the same tables and figures.

    Searches that share their dense network (`find_ticket(..., share_with=)`) have
    equal replicates, and are compared in pairs.

    Args:
        history: The search that the others are compared with.
        name: What it is called.
        **others: Other searches by name; of one-shot pruning one for each density.

    Raises:
        ValueError: A search of another score, or two of one name.

    Example:
        ```python
        compared = compare(ticket.history, one_shot=[half.history, tenth.history])
        print(compared.table())
        compared.plot("one_shot.png")
        ```
    """
    if name in others:
        raise ValueError(
            f"Searches must have names that differ. Received twice: {name!r}. The "
            "first is called by `name=`."
        )
    return compared({name: history, **others})


def compared(searches: Mapping[str, History | Sequence[History]]) -> Comparison:
    """The comparison of searches by name, the first being what others differ from."""
    history: History | None = None
    for each, given in searches.items():
        if not each:
            raise ValueError("A search that is compared must have a name.")
        histories = list(given) if isinstance(given, list | tuple) else [given]
        if not histories:
            raise ValueError(f"There is no history of the search {each!r}.")
        for other in histories:
            if not isinstance(other, History):
                raise TypeError(
                    "Searches are compared by their histories: `ticket.history`, or "
                    "`tf_lottery.load_history(run_dir)`. "
                    f"Received: {each}={type(other).__name__}."
                )
            history = history or other
            _check_alike(each, histories[0], other)
            if other.monitor != history.monitor:
                raise ValueError(
                    "Searches that are compared must monitor one score. Received: "
                    f"{history.monitor!r} and {other.monitor!r} ({each})."
                )
    return Comparison(searches)


def _check_alike(name: str, one: Any, other: History) -> None:
    """Raises if histories of one name differ in more than their rates and seeds."""
    differs = set(one.plan.differences(other.plan)) - _RATES
    if differs:
        raise ValueError(
            "Searches of one name must differ in their rates alone, such as those of "
            f"one-shot pruning to several densities. Received: {name!r}, which differ "
            f"in {', '.join(sorted(differs))}. Give each a name."
        )


def _maximizes(metric: str, history: History) -> bool:
    """Whether more is better; known of the monitored score, else by the name."""
    base = metric.removeprefix("final_").removeprefix("val_").removeprefix("test_")
    if base == history.monitor.removeprefix("val_"):
        return history.maximize
    return maximizes(metric, Plan())


def _by_seed(point: Point, metric: str) -> dict[int, float]:
    """The mean figure of each seed."""
    found: dict[int, list[float]] = {}
    for training in point.trainings:
        plan, score = training.ticket.plan, training.score(metric)
        value = float(training.outcome.best_step) if metric == STEP else score
        found.setdefault(plan.seed if plan else training.replicate, []).append(value)
    return {seed: sum(each) / len(each) for seed, each in found.items()}


def _lines(write: Any, spread: Spread | None) -> str:
    if spread is None:
        return "-"
    return f"{write(spread.mean)}\n{formats.extremes(spread, '')}".strip()
