"""Every number of a search, as CSV and JSON."""

import csv

from tf_lottery.core.io import PathLike, atomic, write_json
from tf_lottery.core.records import History


def to_csv(history: History, path: PathLike) -> None:
    """Writes one line a round: density, best step, all metrics, seconds."""
    rows = history.rows()
    names = list(dict.fromkeys(name for row in rows for name in row))
    with atomic(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


def to_json(history: History, path: PathLike) -> None:
    """Writes the plan, the verdict and each round with its curves and densities."""
    rounds = [
        round.row()
        | {
            "density_by_layer": round.ticket.masks.by_layer(),
            "curves": dict(round.outcome.curves),
        }
        for round in history
    ]
    summary = {
        "plan": history.plan.to_json(),
        "monitor": history.monitor,
        "verdict": history.verdict().record(),
        "rounds": rounds,
    }
    write_json(path, summary)
