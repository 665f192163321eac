"""A sweep: the trials of Keras Tuner, and the tickets that no other one beats."""

import dataclasses
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import rich.box
import rich.console
import rich.table

from tf_lottery.core.archive import PathLike, write_json
from tf_lottery.core.history import History
from tf_lottery.report import formats
from tf_lottery.report.canvas import ACCENT, GREY, density_axis, new_figure, save, tidy
from tf_lottery.report.files import rows_to_csv
from tf_lottery.verdict.judge import RoundVerdict, Verdict, judge

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Trial:
    """A finished trial.

    Attributes:
        name: Keras Tuner's.
        values: What the sweep chose.
        score: What it is ranked by, of the objective.
        history: That of its search.
        verdict: On its history.
    """

    name: str
    values: Mapping[str, Any]
    score: float
    history: History
    verdict: Verdict = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "verdict", judge(self.history))

    @property
    def chosen(self) -> RoundVerdict:
        """The round whose ticket the search returned."""
        return self.verdict.rounds[self.verdict.chosen]

    @property
    def told(self) -> str:
        """Its values in words."""
        return in_words(self.values)


@dataclass(frozen=True)
class FailedTrial:
    """A trial that gave nothing.

    Attributes:
        name: Keras Tuner's.
        values: What the sweep chose.
        reason: Why it failed, in a line.
    """

    name: str
    values: Mapping[str, Any]
    reason: str


@dataclass(frozen=True, repr=False)
class Sweep:
    """The trials of a sweep.

    Attributes:
        trials: The finished ones, best first.
        failed: Those that failed.
        objective: What they are ranked by.
        trained: How many trainings were done.
        trainings: How many the trials have; the others were shared.
    """

    trials: tuple[Trial, ...]
    failed: tuple[FailedTrial, ...]
    objective: str
    trained: int
    trainings: int

    def __repr__(self) -> str:
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"<Sweep: {len(self.trials)} trials{failed}, {self.cost()}>"

    def cost(self) -> str:
        """How much was trained, in words."""
        return f"trained {self.trained:,} of {self.trainings:,} trainings"

    def rest(self) -> str:
        """What became of the other trainings, in words; empty if there is none."""
        return "; the others were shared" * (self.trained < self.trainings)

    def front(self) -> list[tuple[Trial, RoundVerdict]]:
        """The tickets that no sparser or equal one beats, from the sparsest on.

        The Pareto front of the monitored score, on the mean over replicates, against
        density: every round of every trial is a candidate, the dense network too.
        """
        points = [
            (trial, round)
            for trial in self.trials
            for round in trial.verdict.rounds
            if not math.isnan(round.score.mean)
        ]
        kept: list[tuple[Trial, RoundVerdict]] = []
        for point in sorted(points, key=self._sparse_and_good):
            if not kept or self._rank(*point) > self._rank(*kept[-1]):
                kept.append(point)
        return kept

    def table(self, trials: int | None = None, width: int = 88) -> str:
        """The trials as text, best first, at most so many."""
        if not self.trials:
            return "No trial is finished."
        view = _view()
        monitor = self.trials[0].history.monitor
        heads = ("trial", "choices", self.objective, "ticket's\ndensity", monitor)
        for name in (*heads, "wins"):
            view.add_column(name, justify="left" if name == "choices" else "right")
        for trial in self.trials[:trials]:
            view.add_row(
                trial.name,
                trial.told,
                f"{trial.score:.4f}",
                formats.density(trial.chosen.density),
                formats.score(trial.chosen.score.mean),
                "yes" if trial.verdict.won else "no",
            )
        return _text(view, width)

    def front_table(self, width: int = 88) -> str:
        """The Pareto front as text."""
        view = _view()
        monitor = self.trials[0].history.monitor if self.trials else "score"
        for name in ("density", monitor, "wins", "trial", "round", "choices"):
            view.add_column(name, justify="left" if name == "choices" else "right")
        for trial, round in self.front():
            view.add_row(
                formats.density(round.density),
                formats.score(round.score.mean),
                _wins(round),
                trial.name,
                str(round.number),
                trial.told,
            )
        return _text(view, width)

    def summary(self, trials: int | None = None, width: int = 88) -> str:
        """The best trials, the front, those that failed, how much was trained."""
        if not self.trials:
            return "\n".join(["No trial is finished.", *self._failures()])
        found = len(self.trials)
        which = f"the best {trials} of " if trials and trials < found else ""
        return "\n".join(
            [
                f"Trials, best first ({which}{found}):",
                self.table(trials, width),
                "\nThe Pareto front: networks that no sparser one beats:",
                self.front_table(width),
                *self._failures(),
                f"\n{self.cost().capitalize()}{self.rest()}.",
            ]
        )

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each round of each trial, as plain values."""
        front = {(trial.name, round.number) for trial, round in self.front()}
        for trial in self.trials:
            for round in trial.verdict.rounds:
                yield {
                    "trial": trial.name,
                    **{f"choice/{name}": value for name, value in trial.values.items()},
                    "objective": trial.score,
                    "round": round.number,
                    "density": round.density,
                    trial.history.monitor: round.score.mean,
                    "test": round.test.mean if round.test else None,
                    "best_step": round.best_step.mean,
                    "replicates": round.replicates,
                    "wins": round.wins,
                    "is_chosen": round.number == trial.verdict.chosen,
                    "on_front": (trial.name, round.number) in front,
                }

    def to_csv(self, path: PathLike) -> None:
        """Writes a line a round of each trial."""
        rows_to_csv(self.rows(), path)

    def to_json(self, path: PathLike) -> None:
        """Writes every number of the tables and the figure."""
        of = {"objective": self.objective, "trained": self.trained}
        of |= {"trainings": self.trainings}
        failed = [dataclasses.asdict(each) for each in self.failed]
        write_json(path, {**of, "rounds": list(self.rows()), "failed": failed})

    def plot(self, path: PathLike) -> None:
        """Writes a PNG: each trial's score by density, and the Pareto front.

        Raises:
            ImportError: Matplotlib is not installed.
            ValueError: No trial is finished.
        """
        if not self.trials:
            raise ValueError("A figure needs a finished trial. Received: none.")
        save(self.draw(), path)

    def draw(self) -> "Figure":
        """The figure that `plot` writes."""
        figure = new_figure(7.2, 4.6)
        axes = figure.subplots()
        for number, trial in enumerate(self.trials):
            rounds = trial.verdict.rounds
            axes.plot(
                [100 * round.density for round in rounds],
                [round.score.mean for round in rounds],
                color="#7fb2d6",
                linewidth=1,
                marker="o",
                markersize=2.5,
                label=None if number else "trials",
            )
        front = self.front()
        at = [(100 * r.density, r.score.mean) for _, r in front]
        look: dict[str, Any] = {"color": ACCENT, "linewidth": 1.4, "markersize": 5}
        axes.plot(*zip(*at, strict=True), "o-", label="Pareto front", **look)
        wins = [p for p, (_, r) in zip(at, front, strict=True) if r.wins]
        if wins:
            look = {"mfc": "none", "mec": "#D55E00", "mew": 1.4, "markersize": 10}
            axes.plot(*zip(*wins, strict=True), "o", label="wins", **look)
        dense = [t.verdict.rounds[0].score.mean for t in self.trials]
        best = max(dense) if self._maximize else min(dense)
        axes.axhline(best, color=GREY, linestyle=":", linewidth=1.3, label="best dense")
        axes.set_ylabel(self.trials[0].history.monitor)
        tidy([axes])
        densities = [100 * r.density for t in self.trials for r in t.verdict.rounds]
        density_axis(axes, densities)
        figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=9)
        return figure

    def _failures(self) -> list[str]:
        lines = [
            f"  {trial.name}  {in_words(trial.values)}: {trial.reason}"
            for trial in self.failed
        ]
        return [f"\nFailed trials ({len(lines)}):", *lines] if lines else []

    @property
    def _maximize(self) -> bool:
        return self.trials[0].history.maximize

    def _rank(self, trial: Trial, round: RoundVerdict) -> float:
        return round.score.mean if trial.history.maximize else -round.score.mean

    def _sparse_and_good(
        self, point: tuple[Trial, RoundVerdict]
    ) -> tuple[float, float]:
        trial, round = point
        return round.density, -self._rank(trial, round)


def in_words(values: Mapping[str, Any]) -> str:
    """Choices in words."""
    parts = (
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )
    return ", ".join(parts) or "the defaults"


def _wins(round: RoundVerdict) -> str:
    return "dense" if not round.number else "yes" if round.wins else "no"


def _view() -> rich.table.Table:
    return rich.table.Table(box=rich.box.SIMPLE_HEAD, padding=(0, 1, 0, 0))


def _text(view: rich.table.Table, width: int) -> str:
    text = io.StringIO()
    rich.console.Console(file=text, width=width).print(view)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())
