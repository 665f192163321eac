"""Every number of a search and of its figures, as CSV and JSON."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tf_lottery.core.archive import PathLike, atomic, write_json
from tf_lottery.core.history import History
from tf_lottery.report.frame import (
    Searches,
    curve_rows,
    layer_rows,
    line_rows,
)
from tf_lottery.verdict.judge import judge


def to_csv(history: History, path: PathLike) -> None:
    """Writes one line a training: density, best step, all metrics, seconds."""
    rows_to_csv(history.rows(), path)


def figures_to_csv(searches: Searches, path: PathLike) -> None:
    """Writes every number of every figure: mean, low and high over what is pooled.

    The column `figure` is "accuracy", "curves" or "layers", as the files of the
    figures are called.
    """
    figures = {"accuracy": list(line_rows(searches))}
    if isinstance(searches, History):
        figures["curves"] = list(curve_rows(searches))
        figures["layers"] = list(layer_rows(searches))
    rows = [{"figure": name} | row for name, of in figures.items() for row in of]
    _write(path, _FIGURES, rows)


def to_json(history: History, path: PathLike) -> None:
    """Writes the plan, the verdict, each training with its curves, and the figures."""
    rounds = [
        round.row()
        | {
            "density_by_layer": round.ticket.masks.by_layer(),
            "curves": dict(round.outcome.curves),
        }
        for round in history.trainings()
    ]
    summary = {
        "plan": history.plan.to_json(),
        "monitor": history.monitor,
        "verdict": judge(history).record(),
        "lines": list(line_rows(history)),
        "curves": list(curve_rows(history)),
        "layers": list(layer_rows(history)),
        "rounds": rounds,
    }
    write_json(path, summary)


_FIGURES = (
    *("figure", "search", "line", "round", "density", "metric", "step", "layer"),
    *("n", "trainings", "mean", "low", "high"),
)


def rows_to_csv(rows: Iterable[Mapping[str, Any]], path: PathLike) -> None:
    """Writes rows of plain values; they may differ in what they have."""
    rows = list(rows)
    _write(path, list(dict.fromkeys(name for row in rows for name in row)), rows)


def _write(
    path: PathLike, names: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> None:
    with atomic(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
