"""Outcomes: the results of training a ticket."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery.core import fields
from tf_lottery.core.words import printable

Weights = Mapping[str, NDArray[Any]]
State = Mapping[str, NDArray[Any]]


def _curves(where: str, value: Any) -> None:
    fields.each(fields.list_of(fields.optional(fields.number)))(where, value)
    lengths = {len(curve) for curve in value.values()}
    if len(lengths) > 1:
        raise ValueError(
            f"`{where}` must hold lists of equal length. Received: {sorted(lengths)}"
        )


# The fields of an outcome in a file; null stands for NaN.
_KINDS = {
    "best_step": fields.whole,
    "last_step": fields.whole,
    "metrics": fields.each(fields.optional(fields.number)),
    "curves": _curves,
    "seconds": fields.number,
}
RECORD = fields.record(_KINDS)


@dataclass(frozen=True, eq=False, repr=False)
class Outcome:
    """The result of training a ticket.

    Attributes:
        weights: The weights at the end, by path. In a search with a run directory
            they are read from disk when they are accessed.
        best_weights: The weights at the step of minimum validation loss.
        best_step: That step, counted from the initialisation.
        last_step: The step at which training ended.
        metrics: `val_*` and `loss` at the best step, `test_*` with the best
            weights, and both with the prefix `final_` at the end.
        curves: Lists of equal length: "step", "loss", ..., with one value per
            validation pass.
        seconds: Wall time of the training.
        next_start: The step and the full state from which later tickets start. None:
            they start where this ticket did.
    """

    weights: Weights
    best_weights: Weights
    best_step: int
    last_step: int
    metrics: Mapping[str, float]
    curves: Mapping[str, Sequence[float]]
    seconds: float = 0.0
    next_start: tuple[int, State] | None = None

    def __repr__(self) -> str:
        at_best = {
            name: value
            for name, value in self.metrics.items()
            if name.startswith(("val_", "test_"))
        }
        scores = "".join(f", {name} {value:.4f}" for name, value in at_best.items())
        step = f"best step {self.best_step:,} of {self.last_step:,}"
        return printable(f"<Outcome: {step}{scores}>")

    @classmethod
    def of_record(cls, record: Mapping[str, Any], **arrays: Any) -> "Outcome":
        """The outcome of such a record, which is checked, with its arrays."""
        RECORD("outcome", record)
        values = dict(record)
        values["metrics"] = {k: _number(v) for k, v in record["metrics"].items()}
        values["curves"] = {
            name: [_number(value) for value in curve]
            for name, curve in record["curves"].items()
        }
        return cls(**values, **arrays)

    def record(self) -> dict[str, Any]:
        """Everything except the arrays, as plain values."""
        curves = {name: list(values) for name, values in self.curves.items()}
        plain = {"metrics": dict(self.metrics), "curves": curves}
        return {name: getattr(self, name) for name in _KINDS} | plain


def _number(value: Any) -> Any:
    return np.nan if value is None else value  # JSON has no NaN
