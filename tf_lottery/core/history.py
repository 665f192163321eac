"""The history of a search: its rounds, replicates and controls."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from tf_lottery.core import html
from tf_lottery.core.outcome import Outcome
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import FoundTicket, Ticket

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, repr=False)
class Round:
    """A ticket or a control, and the outcome of its training. Round 0 is dense.

    Attributes:
        number: How many times weights were pruned.
        ticket: The ticket that was trained.
        outcome: The result of its training.
        replicate: The number of the search, among several with different seeds.
        control: The name of the control; None for the ticket of the round itself.
        draw: The number of the control, among several of one kind.
    """

    number: int
    ticket: Ticket
    outcome: Outcome
    replicate: int = 0
    control: str | None = None
    draw: int = 0

    def __repr__(self) -> str:
        what = f"{self.control or 'Round'} {self.number}"
        return f"<{what}, replicate {self.replicate}: {self.ticket!r}>"

    @property
    def trained(self) -> FoundTicket:
        """The ticket with its outcome: it can be exported."""
        return FoundTicket.of(self.ticket, self.outcome)

    def score(self, name: str) -> float:
        """A metric of the outcome; NaN if it is missing."""
        value = self.outcome.metrics.get(name)
        return np.nan if value is None else float(value)

    def row(self) -> dict[str, Any]:
        """The round as a row of a table, by column: density, best step, metrics, ..."""
        return {
            "replicate": self.replicate,
            "control": self.control,
            "draw": self.draw,
            "round": self.number,
            "density": self.ticket.masks.density,
            "kept": self.ticket.masks.kept,
            "best_step": self.outcome.best_step,
            **self.outcome.metrics,
            "seconds": self.outcome.seconds,
        }


@dataclass(frozen=True, repr=False)
class History(Sequence[Round]):
    """The rounds of a search, in order: as a sequence, those of replicate 0.

    Attributes:
        replicates: The rounds of each replicate; arrays are read when accessed.
        plan: The plan that they followed.
        monitor: The name of the score that decides.
        maximize: Whether a higher score is better.
        controls: The controls of all rounds.
    """

    replicates: tuple[tuple[Round, ...], ...]
    plan: Plan
    monitor: str
    maximize: bool
    controls: tuple[Round, ...] = ()

    @property
    def is_validated(self) -> bool:
        """Whether the monitored score is one of validation data."""
        return self.monitor.startswith("val_")

    def __repr__(self) -> str:
        counts = f"{len(self.replicates)} x {len(self)} rounds"
        return f"<History: {counts}, {len(self.controls)} controls>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the rounds, on average over their replicates."""
        rows = []
        for number in range(max(map(len, self.replicates), default=0)):
            same = [each[number] for each in self.replicates if len(each) > number]
            density = np.mean([round.ticket.density for round in same])
            score = np.mean([round.score(self.monitor) for round in same])
            step = np.mean([round.outcome.best_step for round in same])
            rows.append((f"{number}", f"{density:.1%}", f"{score:.4f}", f"{step:,.0f}"))
        said = repr(self).strip("<>")
        if len(self.replicates) > 1:
            said += "; means over replicates"
        head = ["round", "density", self.monitor, "best step"]
        return html.paragraph(said) + html.table(head, rows)

    def to_dataframe(self) -> "DataFrame":
        """One row per training, see `Round.row`, as a `pandas.DataFrame`.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError(
                "`to_dataframe` needs pandas, which is not installed. Install it with "
                '"pip install pandas", or use `rows()`, which gives plain values.'
            ) from error
        return pandas.DataFrame(self.rows())

    def score(self, number: int) -> float:
        """The monitored score of a round, at its minimum validation loss."""
        return self[number].score(self.monitor)

    def trainings(self) -> tuple[Round, ...]:
        """All that was trained: the rounds of each replicate, then the controls."""
        return (*itertools.chain(*self.replicates), *self.controls)

    def rows(self) -> list[dict[str, Any]]:
        """One row per training, see `Round.row`."""
        return [round.row() for round in self.trainings()]

    @overload
    def __getitem__(self, index: int) -> Round: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Round, ...]: ...
    def __getitem__(self, index: int | slice) -> Round | tuple[Round, ...]:
        return self.replicates[0][index]

    def __iter__(self) -> Iterator[Round]:
        return iter(self.replicates[0])

    def __len__(self) -> int:
        return len(self.replicates[0])
