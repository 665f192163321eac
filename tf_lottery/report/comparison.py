"""Several searches in one table and one figure: one-shot pruning, other rates."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tf_lottery.core.archive import PathLike, write_json
from tf_lottery.core.history import History
from tf_lottery.core.plan import Plan
from tf_lottery.report import tabular
from tf_lottery.report.files import figures_to_csv, line_rows
from tf_lottery.report.frame import DENSE, TICKET, Frame, Line, Point
from tf_lottery.report.plots import plot
from tf_lottery.report.tabular import Column, Table, as_text
from tf_lottery.verdict import formats
from tf_lottery.verdict.difference import STEP, Difference, figure
from tf_lottery.verdict.monitor import maximizes
from tf_lottery.verdict.spread import Spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Densities that are planned as equal differ by the rounding of a few rounds.
_EQUAL = 0.01
# The fields of the plan in which the searches of one name may differ.
_RATES = {"pruning_rate", "layer_rates", "seed"}


@dataclass(frozen=True, repr=False)
class Comparison:
    """Searches by name; the others are compared with the first.

    Attributes:
        searches: The histories of each search. Several histories of one name are one
            line, as those of one-shot pruning to several densities.
    """

    searches: Mapping[str, History | Sequence[History]]

    def __repr__(self) -> str:
        return f"<Comparison of {', '.join(self.searches)}>"

    @cached_property
    def frame(self) -> Frame:
        """What the tables and figures show."""
        return Frame(self.searches)

    @property
    def first(self) -> str:
        """The name of the search that the others are compared with."""
        return next(iter(self.searches))

    def rows(self) -> list[dict[str, Any]]:
        """One row per metric of each point of each line."""
        return list(line_rows(self.frame))

    def differences(self, metric: str | None = None) -> list[tuple[Line, Difference]]:
        """The first search minus each other line, where their densities are equal.

        Paired by seed. `metric` is by default the test figure of the monitored score.
        """
        found = (
            (
                Line(line.search, line.kind, (point,)),
                self._difference(line, point, metric),
            )
            for line, point in self._places()
        )
        return [(line, difference) for line, difference in found if difference]

    def grid(self) -> Table:
        """The table: one row per density of each line.

        The controls of the first search are left out: its own tables have them.
        """
        score = self.frame.score
        rows = [
            (line, point, self._difference(line, point))
            for line, point in self._places()
            if line.search != self.first or line.kind == TICKET
        ]
        unit = formats.unit(gain for _, _, gain in rows if gain)
        columns = [
            Column("search", lambda line, *_: line.name, is_text=True),
            Column("density", lambda _, point, __: formats.density(point.density)),
            Column("trainings", lambda _, point, __: len(point.trainings)),
            Column(score, lambda _, p, __: tabular.spread(p.spread(score), score)),
            Column(
                f"gain of\n{self.first}{unit}", lambda _, __, gain: tabular.gain(gain)
            ),
            Column("best\nstep", lambda _, p, __: tabular.steps(p.spread(STEP))),
        ]
        return Table(columns, rows)

    def table(self, width: int = 88) -> str:
        """The table as text, for a terminal of so many columns."""
        return as_text(self.grid(), width)

    def plot(self, path: PathLike | None = None) -> "Figure":
        """A figure with all lines, see `report.plot`."""
        return plot(self.frame, path)

    def to_json(self, path: PathLike) -> None:
        """Writes the points, and the first search minus the others."""
        gains = [
            {"search": line.search, "line": line.kind, "density": point.density}
            | difference.record()
            for metric in (None, STEP)
            for line, difference in self.differences(metric)
            for point in line.points
        ]
        write_json(path, {"points": self.rows(), "differences": gains})

    def to_csv(self, path: PathLike) -> None:
        """Writes the numbers of the figure, see `report.figures_to_csv`."""
        figures_to_csv(self.frame, path)

    def _places(self) -> list[tuple[Line, Point]]:
        return [(e, point) for e, point in self.frame.places if e.kind != DENSE]

    def _difference(
        self, line: Line, point: Point, metric: str | None = None
    ) -> Difference | None:
        """The tickets of the first search minus a point of another line, if known."""
        base, metric = self.frame.lines[0], metric or self.frame.score
        room = _EQUAL * point.density
        near = [p for p in base.points if abs(p.density - point.density) <= room]
        if line is base or not near:
            return None
        ours, theirs = _by_seed(near[0], metric), _by_seed(point, metric)
        both = [s for s in theirs if s in ours and math.isfinite(ours[s] - theirs[s])]
        if not both:
            return None
        maximize = metric != STEP and _maximizes(metric, self.frame.history)
        sides = (Spread(tuple(side[s] for s in both)) for side in (ours, theirs))
        return Difference(line.name, metric, maximize, *sides)


def compare(
    history: History, *, name: str = "iterative", **others: History | Sequence[History]
) -> Comparison:
    """Puts searches into the same tables and figures.

    Searches that share their dense network (`find_ticket(..., share_with=)`) have equal
    replicates, and are compared in pairs.

    Args:
        history: The search that the others are compared with.
        name: Its name in tables and figures.
        **others: Other searches by name; of one-shot pruning one for each density.

    Raises:
        ValueError: The searches monitor different scores, or two have one name.

    Example:
        ```python
        compared = compare(ticket.history, one_shot=[half.history, tenth.history])
        print(compared.table())
        compared.plot("one_shot.png")
        ```
    """
    if name in others:
        raise ValueError(
            f"Searches must have different names. Received twice: {name!r}. Pass "
            "another name of the first search as `name`."
        )
    return compared({name: history, **others})


def compared(searches: Mapping[str, History | Sequence[History]]) -> Comparison:
    """The comparison of searches by name, all of them with the first."""
    if not searches:
        raise ValueError("A comparison needs a search. Received: none.")
    named = {name: _histories(name, given) for name, given in searches.items()}
    first = next(iter(named.values()))[0]
    for name, histories in named.items():
        for history in histories:
            differs = set(history.plan.differences(histories[0].plan)) - _RATES
            if differs:
                raise ValueError(
                    "The searches of one name must differ only in their rates, such as "
                    "those of one-shot pruning to several densities. Received: "
                    f"{name!r}, which differ in {', '.join(sorted(differs))}. Give "
                    "each its own name."
                )
            if history.monitor != first.monitor:
                raise ValueError(
                    "Searches that are compared must monitor one score. Received: "
                    f"{first.monitor!r} and {history.monitor!r} ({name})."
                )
    return Comparison(searches)


def _histories(name: str, given: Any) -> list[History]:
    """The histories of a search, at least one."""
    if not name:
        raise ValueError("A search that is compared must have a name.")
    histories = list(given) if isinstance(given, list | tuple) else [given]
    if not histories:
        raise ValueError(f"A search must have a history. Received: none for {name!r}.")
    for history in histories:
        if not isinstance(history, History):
            raise TypeError(
                "Searches are compared by their histories: `ticket.history`, or "
                "`tf_lottery.load_history(run_dir)`. "
                f"Received: {name}={type(history).__name__}."
            )
    return histories


def _maximizes(metric: str, history: History) -> bool:
    """Whether more is better; known for the monitored score, else by the name."""
    base = metric.removeprefix("final_").removeprefix("val_").removeprefix("test_")
    if base == history.monitor.removeprefix("val_"):
        return history.maximize
    return maximizes(metric, Plan())


def _by_seed(point: Point, metric: str) -> dict[int, float]:
    """The mean figure of each seed."""
    found: dict[int, list[float]] = {}
    for training in point.trainings:
        plan = training.ticket.plan
        seed = plan.seed if plan else training.replicate
        found.setdefault(seed, []).append(figure(training, metric))
    return {seed: sum(each) / len(each) for seed, each in found.items()}
