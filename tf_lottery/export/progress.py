"""What a user sees while an export works: a bar, and the step that it is at."""

import contextlib
from collections.abc import Callable, Iterator

import rich.progress

from tf_lottery.report.console import screen

STEPS = (
    "computing the outputs",
    "writing the dense network",
    "writing the pruned network",
    "writing the file",
    "comparing the file",
    "timing the file",
)


class Progress:
    """A bar on the terminal, and a function that hears of each step.

    Args:
        name: What the bar calls the export; without one there is no bar.
        tell: Gets each step when it begins.
    """

    def __init__(
        self, name: str = "", tell: Callable[[str], object] = lambda step: None
    ) -> None:
        self.tell = tell
        console = screen()
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}", markup=False),
            rich.progress.BarColumn(bar_width=20),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not (name and console.is_terminal),
        )
        self._name = name
        self._task = self._bar.add_task(name, total=len(STEPS))

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Shows the bar, at one of `STEPS`, as long as the step takes."""
        with self.shown():
            self.at(what)
            yield

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Shows the bar."""
        self._bar.start()
        try:
            yield
        finally:
            self._bar.stop()

    def at(self, what: str) -> None:
        """Moves the bar to one of `STEPS`."""
        done = STEPS.index(what)
        self._bar.update(
            self._task, completed=done, description=f"{self._name}: {what}"
        )
        self.tell(what)
