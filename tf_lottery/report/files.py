"""Every number of a search and of its figures, as CSV and JSON."""

import csv
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tf_lottery.core.archive import PathLike, atomic, write_json
from tf_lottery.core.history import History
from tf_lottery.report.frame import TICKET, Frame, Line, Point, Searches, frame_of
from tf_lottery.verdict.difference import STEP
from tf_lottery.verdict.spread import Spread

_FIGURES = (
    *("figure", "search", "line", "round", "density", "metric", "step", "layer"),
    *("n", "trainings", "mean", "low", "high"),
)


def to_csv(history: History, path: PathLike) -> None:
    """Writes one line per training: density, best step, all metrics, seconds."""
    rows_to_csv(history.rows(), path)


def figures_to_csv(searches: Searches | Frame, path: PathLike) -> None:
    """Writes every number of every figure: mean, low and high of what is pooled.

    The column `figure` is "accuracy", "curves" or "layers", the names of the files of
    the figures.
    """
    frame = frame_of(searches)
    figures = {"accuracy": line_rows(frame)}
    if frame.is_single:
        figures |= {"curves": curve_rows(frame), "layers": layer_rows(frame)}
    rows = [{"figure": name} | row for name, of in figures.items() for row in of]
    _write(path, _FIGURES, rows)


def to_json(history: History | Frame, path: PathLike) -> None:
    """Writes the plan, the verdict, each training with its curves, and the figures."""
    frame = frame_of(history)
    rounds = [
        round.row()
        | {
            "density_by_layer": round.ticket.masks.by_layer(),
            "curves": dict(round.outcome.curves),
        }
        for round in frame.history.trainings()
    ]
    summary = {
        "plan": frame.history.plan.to_json(),
        "monitor": frame.history.monitor,
        "verdict": frame.verdict.record(),
        "lines": list(line_rows(frame)),
        "curves": list(curve_rows(frame)),
        "layers": list(layer_rows(frame)),
        "rounds": rounds,
    }
    write_json(path, summary)


def rows_to_csv(rows: Iterable[Mapping[str, Any]], path: PathLike) -> None:
    """Writes rows of plain values, which may have different keys."""
    rows = list(rows)
    _write(path, list(dict.fromkeys(name for row in rows for name in row)), rows)


def line_rows(frame: Frame) -> Iterator[dict[str, Any]]:
    """One row per metric of each point of each line."""
    for line, point in frame.places:
        metrics = (training.outcome.metrics for training in point.trainings)
        for metric in dict.fromkeys([*itertools.chain(*metrics), STEP, "seconds"]):
            if spread := point.spread(metric):
                yield _row(line, point, spread, metric)


def curve_rows(frame: Frame) -> Iterator[dict[str, Any]]:
    """One row per step of the learning curves that are drawn."""
    panels = frame.curves.values()
    drawn = {id(point): (line, point) for panel in panels for line, point in panel}
    for line, point in drawn.values():
        for metric in frame.curve_metrics:
            for step, spread in point.curve(metric).items():
                yield _row(line, point, spread, metric, step=step)


def layer_rows(frame: Frame) -> Iterator[dict[str, Any]]:
    """One row per round of each layer: its density."""
    for layer, rounds in frame.layers.items():
        for number, spread in rounds.items():
            yield {"line": TICKET, "round": number, "layer": layer} | _numbers(spread)


def _row(
    line: Line, point: Point, spread: Spread, metric: str, **of: float
) -> dict[str, Any]:
    return {
        "search": line.search,
        "line": line.kind,
        "round": point.round,
        "density": point.density,
        "metric": metric,
        "trainings": len(point.trainings),
        **of,
        **_numbers(spread),
    }


def _numbers(spread: Spread) -> dict[str, Any]:
    numbers = {name: getattr(spread, name) for name in ("mean", "low", "high")}
    return {"n": len(spread), **numbers}


def _write(
    path: PathLike, names: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> None:
    with atomic(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
