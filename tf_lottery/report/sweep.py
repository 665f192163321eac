"""A sweep: the trials of Keras Tuner, and the Pareto front of their tickets."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tf_lottery.core.archive import PathLike, write_json
from tf_lottery.core.history import History
from tf_lottery.report import sweep_figure, tabular
from tf_lottery.report.canvas import save
from tf_lottery.report.files import rows_to_csv
from tf_lottery.report.frame import Frame
from tf_lottery.report.tabular import PAGE, Column, Table, as_text
from tf_lottery.verdict import formats
from tf_lottery.verdict.judge import RoundVerdict, Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NONE = "No trial is finished."


@dataclass(frozen=True)
class Trial:
    """A finished trial.

    Attributes:
        name: Keras Tuner's id of the trial.
        values: What the sweep chose.
        score: The value of the objective, by which trials are ranked.
        history: The history of its search.
    """

    name: str
    values: Mapping[str, Any]
    score: float
    history: History

    @cached_property
    def frame(self) -> Frame:
        """What a report shows of its search."""
        return Frame(self.history)

    @property
    def verdict(self) -> Verdict:
        """The verdict on its search."""
        return self.frame.verdict

    @property
    def chosen(self) -> RoundVerdict:
        """The round whose ticket the search returned."""
        return self.verdict.rounds[self.verdict.chosen]


@dataclass(frozen=True)
class FailedTrial:
    """A trial without a result, and why it failed, in one line."""

    name: str
    values: Mapping[str, Any]
    reason: str


@dataclass(frozen=True, repr=False)
class Sweep:
    """The trials of a sweep.

    Attributes:
        trials: The finished trials, best first.
        failed: The trials that failed.
        objective: The name of what they are ranked by.
        trained: How many trainings were done.
        trainings: How many trainings the trials have; the others were shared.
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
        """What happened to the other trainings; empty if there are none."""
        return "; the others were shared" * (self.trained < self.trainings)

    def front(self) -> list[tuple[Trial, RoundVerdict]]:
        """The Pareto front of mean monitored score and density, the sparsest first.

        No ticket on it is beaten by one that is as sparse or sparser. Every round of
        every trial is a candidate, also the dense networks.
        """
        points = [
            (trial, round)
            for trial in self.trials
            for round in trial.verdict.rounds
            if not math.isnan(round.score.mean)
        ]
        kept: list[tuple[Trial, RoundVerdict]] = []
        for trial, round in sorted(points, key=lambda p: (p[1].density, -_rank(p[1]))):
            if not kept or _rank(round) > _rank(kept[-1][1]):
                kept.append((trial, round))
        return kept

    def trial_grid(self, trials: int | None = None) -> Table:
        """The table of trials, best first; only the first `trials` if that is given."""
        monitor = self.trials[0].history.monitor
        columns = [
            Column("trial", lambda trial: trial.name),
            Column("choices", lambda trial: in_words(trial.values), is_text=True),
            Column(self.objective, lambda trial: formats.score(trial.score)),
            Column("ticket's\ndensity", lambda t: formats.density(t.chosen.density)),
            Column(monitor, lambda trial: tabular.spread(trial.chosen.score, monitor)),
            Column("wins", lambda trial: tabular.yes(trial.verdict.won)),
        ]
        return Table(columns, [(trial,) for trial in self.trials[:trials]])

    def front_grid(self) -> Table:
        """The table of the Pareto front."""
        best = self.trials[0].frame
        monitor, score = best.history.monitor, best.score
        tested = Column(score, lambda _, round: tabular.spread(round.test, score), PAGE)
        columns = [
            Column("density", lambda _, round: formats.density(round.density)),
            Column(monitor, lambda _, round: tabular.spread(round.score, monitor)),
            *([tested] if score != monitor else []),
            Column("wins", lambda _, r: tabular.yes(r.wins) if r.number else "dense"),
            Column("trial", lambda trial, _: trial.name),
            Column("round", lambda _, round: round.number),
            Column("choices", lambda trial, _: in_words(trial.values), is_text=True),
        ]
        return Table(columns, self.front())

    def table(self, trials: int | None = None, width: int = 88) -> str:
        """The trials as text, best first; only the first `trials` if that is given."""
        return as_text(self.trial_grid(trials), width) if self.trials else _NONE

    def summary(self, trials: int | None = None, width: int = 88) -> str:
        """The best trials, the front, the failed trials, and how much was trained."""
        if not self.trials:
            return "\n".join([_NONE, *self._failures()])
        found = len(self.trials)
        which = f"the best {trials} of " if trials and trials < found else ""
        return "\n".join(
            [
                f"Trials, best first ({which}{found}):\n",
                self.table(trials, width),
                "\nThe Pareto front: networks that are better than all sparser ones:\n",
                as_text(self.front_grid(), width),
                *self._failures(),
                f"\n{self.cost().capitalize()}{self.rest()}.",
            ]
        )

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row per round of each trial, as plain values."""
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
        """Writes one line per round of each trial."""
        rows_to_csv(self.rows(), path)

    def to_json(self, path: PathLike) -> None:
        """Writes every number of the tables and the figure."""
        found = {
            "objective": self.objective,
            "trained": self.trained,
            "trainings": self.trainings,
            "rounds": list(self.rows()),
            "failed": [dataclasses.asdict(each) for each in self.failed],
        }
        write_json(path, found)

    def plot(self, path: PathLike | None = None) -> "Figure":
        """A figure of each trial's score by density, and the Pareto front.

        With a `path` it is written there, too, as a PNG.

        Raises:
            ValueError: No trial is finished.
        """
        if not self.trials:
            raise ValueError("A figure needs a finished trial. Received: none.")
        figure = self.draw()
        if path is not None:
            save(figure, path)
        return figure

    def draw(self) -> "Figure":
        """The figure that `plot` writes."""
        trials, front = zip(self._labels(), self.trials, strict=True), self.front()
        on_front = {trial.name for trial, _ in front}
        first = sorted(trials, key=lambda pair: pair[1].name not in on_front)
        rounds = {label: trial.verdict.rounds for label, trial in first}
        return sweep_figure.draw(rounds, [round for _, round in front])

    def _labels(self) -> Iterator[str]:
        """Each trial's name, and what it chose otherwise than another trial."""
        all_ = [trial.values for trial in self.trials]
        for trial in self.trials:
            differs = {
                name: value
                for name, value in trial.values.items()
                if any(each.get(name) != value for each in all_)
            }
            yield f"{trial.name}: {in_words(differs)}" if differs else trial.name

    def _failures(self) -> list[str]:
        lines = [
            f"  {each.name}  {in_words(each.values)}: {each.reason}"
            for each in self.failed
        ]
        return [f"\nFailed trials ({len(lines)}):", *lines] if lines else []


def in_words(values: Mapping[str, Any]) -> str:
    """What was chosen, in words."""
    parts = (
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )
    return ", ".join(parts) or "the defaults"


def _rank(round: RoundVerdict) -> float:
    """The mean score; more is better."""
    return round.score.mean if round.validation.maximize else -round.score.mean
