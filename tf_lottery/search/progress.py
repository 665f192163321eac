"""What a user sees of a search: its cost, a bar for the training, a line per round."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import rich.console
import rich.progress
import rich.table
import rich.text

from tf_lottery.core.history import Round
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import Ticket
from tf_lottery.core.words import duration
from tf_lottery.report.console import screen
from tf_lottery.search import leaving

Report = Callable[[int, dict[str, float]], None]
_SOON = 5.0  # seconds, after which the time that is left is estimated


@dataclass
class Progress:
    """Shows a search on the terminal.

    `steps` is the last step of a training, `rewind_step` the first one after round 0.
    `above` stands above the bar while it moves; `name` begins each line.
    """

    verbose: int
    plan: Plan
    steps: int
    rewind_step: int = 0
    above: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        self._total = self._left = self.plan.count()
        self._trained: list[float] = []
        self._is_estimated = False
        self._console = screen(soft_wrap=True)
        self._is_live = self.verbose == 1 and self._console.is_terminal
        self._bars = self._bar()

    def say(self, text: str) -> None:
        """Prints a line, unless silent."""
        if self.verbose:
            self._console.print(f"{self.name}{text}", markup=False)

    def begin(self, finished: int, where: str) -> None:
        """Says how much the search trains, and what is done already."""
        cost = f"{self._total} trainings of {self.steps:,} steps"
        plan, rounds = self.plan, self.plan.rounds + 1
        if self._total > rounds:
            controls = self._total // plan.replicates - rounds
            each = f"{rounds} rounds" + f" and {controls} controls" * bool(controls)
            cost += f" ({plan.replicates} x ({each}))"
        if self.rewind_step:
            cost += f", from step {self.rewind_step:,} in later rounds"
        done = f"{finished} done already; " if finished else ""
        self.say(f"{cost}; {done}run directory: {where}")

    @contextlib.contextmanager
    def training(
        self, ticket: Ticket, control: str | None = None, together: int = 1
    ) -> Iterator[Report]:
        """Shows a bar for a training; yields the function that moves it.

        `together` trainings run side by side, at most: each has its bar.
        """
        started, done = time.monotonic(), ticket.step
        first: tuple[int, float] | None = None
        what = f"{control or 'round'} {ticket.round}"
        bars = self._bars
        if not bars.tasks:
            bars.start()
        task = bars.add_task(
            f"{what}/{self.plan.rounds}", total=self.steps, completed=done, metrics=""
        )

        def report(step: int, logs: dict[str, float]) -> None:
            nonlocal done, first
            done, first = step, first or (step, time.monotonic())
            self._estimate(step, *first, together)
            if not self._is_live:
                return
            shown = (
                f"{name}: {value:.4f}"
                for name, value in logs.items()
                if name != "round" and not name.startswith("val_")
            )
            bars.update(task, completed=step, metrics=" - ".join(shown))

        try:
            yield report
        except BaseException as error:
            leaving.note(error, what, done)
            raise
        finally:
            if len(bars.tasks) == 1:
                bars.stop()
            bars.remove_task(task)
        self._trained.append((time.monotonic() - started) / together)

    def _estimate(self, step: int, first: int, began: float, together: int) -> None:
        """Says once, after some seconds of the first training, how long all take."""
        seconds = time.monotonic() - began
        if self._is_estimated or seconds < _SOON or step == first:
            return
        self._is_estimated = True
        later = (self._left - 1) * (self.steps - self.rewind_step)
        all_ = (self.steps - step + later) * seconds / (step - first) / together
        self.say(f"About {duration(all_)} left, at the speed of the first steps.")

    def line(self, round: Round, monitor: str) -> None:
        """Prints the scores of a round or a control, and the time that is left."""
        self._left -= 1
        outcome = round.outcome
        test = "test_" + monitor.removeprefix("val_")
        scores = "  ".join(
            f"{name} {outcome.metrics[name]:.4f}"
            for name in (monitor, test)
            if name in outcome.metrics
        )
        left, replicates = "", self.plan.replicates
        if self._trained and self._left:
            seconds = self._left * sum(self._trained) / len(self._trained)
            left = f"  {duration(seconds)} left"
        of = f"replicate {round.replicate} of {replicates}  " if replicates > 1 else ""
        self.say(
            f"{of}{round.control or 'round'} {round.number:>2}/{self.plan.rounds}  "
            f"density {round.ticket.density:6.1%}  {scores}  "
            f"best step {outcome.best_step:>6,}  {outcome.seconds:5.1f} s{left}"
        )

    def _bar(self) -> rich.progress.Progress:
        one_line = rich.table.Column(no_wrap=True, overflow="ellipsis")
        metrics = "{task.fields[metrics]}"
        return _Bar(
            self.above,
            rich.progress.TextColumn("{task.description}"),
            rich.progress.MofNCompleteColumn(),
            rich.progress.BarColumn(bar_width=20),
            rich.progress.TimeRemainingColumn(compact=True),
            rich.progress.TextColumn(metrics, markup=False, table_column=one_line),
            console=self._console,
            transient=True,
            disable=not self._is_live,
        )


class _Bar(rich.progress.Progress):
    def __init__(
        self, above: str, *columns: rich.progress.ProgressColumn, **options: Any
    ) -> None:
        self._above = rich.text.Text(above)
        super().__init__(*columns, **options)

    def get_renderables(self) -> Iterable[rich.console.RenderableType]:
        if self._above:
            yield self._above
        yield from super().get_renderables()
