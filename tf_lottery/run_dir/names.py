"""The names of the files and directories of a search."""

import re
from pathlib import Path

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
}

_NUMBERED = re.compile(r"(replicate|round|draw)_(0|0?[1-9]\d{0,5}|00)")


def numbered(path: Path, kind: str) -> dict[int, Path]:
    """The directories of that kind in a directory, by number and in its order.

    Loops over trainings use it: they end with what is on disk, not with a count in a
    file. Links are followed.
    """
    try:
        found = [each for each in path.iterdir() if number_of(each.name, kind) >= 0]
    except OSError:
        return {}
    named = {number_of(each.name, kind): each for each in found if each.is_dir()}
    return dict(sorted(named.items()))


def number_of(name: str, kind: str) -> int:
    """The number in the name of a directory that a search makes; -1 for other names."""
    match = _NUMBERED.fullmatch(name)
    if not match or match[1] != kind:
        return -1
    number = int(match[2])
    return number if name == directory_name(kind, number) else -1


def directory_name(kind: str, number: int) -> str:
    """The name of the directory of a replicate, a round or a draw."""
    return f"{kind}_{number:02d}" if kind == "round" else f"{kind}_{number}"
