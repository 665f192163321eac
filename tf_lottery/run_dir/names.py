"""The names of the files and directories of a search."""

import os
from pathlib import Path
from typing import NamedTuple

PLAN = "plan.json"
TICKET = "ticket.safetensors"
OUTCOME = "outcome.safetensors"
CHECKPOINT = "checkpoint.safetensors"
METRICS = "metrics.json"
CONTROLS = "controls"
TRAININGS = "trainings"  # that searches share
# What an export of the ticket is called, by its format.
EXPORTS = {
    "saved_model": "ticket_saved_model",
    "keras": "ticket.keras",
    "tflite": "ticket.tflite",
    "onnx": "ticket.onnx",
}
COMPARED = {
    "comparison.csv": "numbers",
    "comparison.json": "numbers",
    "comparison.png": "figure",
}
# The results of a search, in words.
RESULTS = {
    "report.html": "report",
    "summary.csv": "trainings",
    "figures.csv": "numbers",
    "summary.json": "numbers, curves",
    **dict.fromkeys(("accuracy.png", "curves.png", "layers.png"), "figure"),
    **COMPARED,
    "tensorboard": "TensorBoard",
    TICKET: "ticket",
    **dict.fromkeys(EXPORTS.values(), "exported"),
    **{f"{name}.card.md": "its card" for name in EXPORTS.values()},
}


class Place(NamedTuple):
    """Which training of a replicate it is: a round's, or a draw's of its control."""

    round: int
    control: str | None = None
    draw: int = 0

    def __str__(self) -> str:
        return f"{self.control or 'round'} {self.round}"


def directory_name(kind: str, number: int) -> str:
    """The name of the directory of a replicate, a round or a draw."""
    return f"{kind}_{number:02d}" if kind == "round" else f"{kind}_{number}"


def numbered(path: Path, kind: str) -> dict[int, Path]:
    """The directories of that kind in a directory, by number and in its order.

    Loops over trainings use it: they end with what is on disk, not with a count in a
    file. Links are followed.
    """
    try:
        found = {_number_of(each.name, kind): each for each in path.iterdir()}
    except OSError:
        return {}
    return {n: found[n] for n in sorted(found) if n >= 0 and found[n].is_dir()}


def is_trained(replicate: Path) -> bool:
    """Whether a round of a replicate was trained."""
    rounds = numbered(replicate, "round").values()
    files = (path / name for path in rounds for name in (METRICS, OUTCOME))
    return any(map(os.path.lexists, files))


def _number_of(name: str, kind: str) -> int:
    """The number in the name of a directory that a search makes; -1 for other names."""
    digits = name.removeprefix(f"{kind}_")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 6):
        return -1
    return int(digits) if name == directory_name(kind, int(digits)) else -1
