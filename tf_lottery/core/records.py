"""What a search leaves behind: outcomes, rounds, and the history of both."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from tf_lottery.core.plan import Plan

if TYPE_CHECKING:
    from tf_lottery.core.ticket import Ticket

Weights = Mapping[str, NDArray[Any]]
State = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Outcome:
    """What training a ticket gave.

    Attributes:
        weights: The weights at the end, by path. Read from disk when asked for
            in a search with a run directory.
        best_weights: The weights at the step of minimum validation loss.
        best_step: That step, counted from the initialisation.
        last_step: The step at which training ended.
        metrics: `val_*` and `loss` at the best step, `test_*` with the best
            weights, and both under `final_` at the end.
        curves: Lists of equal length: "step", "loss", ..., one value a
            validation pass.
        seconds: Wall time of the training.
        next_start: Where later tickets start, if not where this one did: a step
            and the full state there.
    """

    weights: Weights
    best_weights: Weights
    best_step: int
    last_step: int
    metrics: Mapping[str, float]
    curves: Mapping[str, Sequence[float]]
    seconds: float = 0.0
    next_start: tuple[int, State] | None = None

    @classmethod
    def of_record(cls, record: Mapping[str, Any], **arrays: Any) -> "Outcome":
        """The outcome that `record` described, with its arrays."""
        values = dict(record)
        values["metrics"] = {k: _number(v) for k, v in record["metrics"].items()}
        values["curves"] = {
            name: [_number(value) for value in curve]
            for name, curve in record["curves"].items()
        }
        return cls(**values, **arrays)

    def record(self) -> dict[str, Any]:
        """Everything but the arrays, as plain values."""
        return {
            "best_step": self.best_step,
            "last_step": self.last_step,
            "metrics": dict(self.metrics),
            "curves": {name: list(values) for name, values in self.curves.items()},
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class Round:
    """A ticket and what training it gave. Round 0 is dense."""

    number: int
    ticket: "Ticket"
    outcome: Outcome

    @property
    def trained(self) -> "Ticket":
        """The ticket with its outcome, so that it can be exported."""
        return dataclasses.replace(self.ticket, outcome=self.outcome)

    def row(self) -> dict[str, Any]:
        """The round as a row of a table: density, best step, metrics, seconds."""
        return {
            "round": self.number,
            "density": self.ticket.masks.density,
            "kept": self.ticket.masks.kept,
            "best_step": self.outcome.best_step,
            **self.outcome.metrics,
            "seconds": self.outcome.seconds,
        }


@dataclass(frozen=True)
class History(Sequence[Round]):
    """The rounds of a search, in order.

    Attributes:
        rounds: The rounds; their arrays load from disk when asked for.
        plan: The plan that they followed.
        monitor: The name of the score that decides.
        maximize: Whether a higher score is better.
    """

    rounds: tuple[Round, ...]
    plan: Plan
    monitor: str
    maximize: bool

    def score(self, number: int) -> float:
        """The monitored score of a round, at its minimum validation loss."""
        value = self.rounds[number].outcome.metrics.get(self.monitor)
        return np.nan if value is None else float(value)

    def rows(self) -> list[dict[str, Any]]:
        """One row a round, see `Round.row`."""
        return [round.row() for round in self.rounds]

    @overload
    def __getitem__(self, index: int) -> Round: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Round, ...]: ...
    def __getitem__(self, index: int | slice) -> Round | tuple[Round, ...]:
        return self.rounds[index]

    def __iter__(self) -> Iterator[Round]:
        return iter(self.rounds)

    def __len__(self) -> int:
        return len(self.rounds)


def _number(value: Any) -> Any:
    return np.nan if value is None else value  # JSON has no NaN
