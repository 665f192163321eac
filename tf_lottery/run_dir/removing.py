"""Removes a search from its run directory, and nothing else.

Only names that a search writes are removed, and only in the places where it writes
them. Links are not followed, and a directory is removed only when it is empty.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from tf_lottery.core import archive
from tf_lottery.run_dir.names import (
    CHECKPOINT,
    CONTROLS,
    EXPORTS,
    METRICS,
    OUTCOME,
    PLAN,
    RESULTS,
    TICKET,
)

# What is below a run directory, by its path from there.
_NUMBER = "(?:0|[1-9][0-9]{0,5})"
_REPLICATE, _DRAW = f"replicate_{_NUMBER}", f"draw_{_NUMBER}"
_ROUND = "round_(?:0[0-9]|[1-9][0-9]{1,5})"
_CONTROLLED = f"{CONTROLS}/[^/]+/{_ROUND}"
_TRAINING = f"{_REPLICATE}/(?:{_ROUND}|{_CONTROLLED}(?:/{_DRAW})?)"
_ENDED = "|".join(map(re.escape, (TICKET, OUTCOME, METRICS)))
_STARTED = r"{}(?:_\w+)?\.{}".format(*CHECKPOINT.split("."))
_UNFINISHED = f"{re.escape(archive.TEMPORARY)}[^/]*"
_FILE = f"{_TRAINING}/(?:{_ENDED}|{_STARTED}|{_UNFINISHED})"
_LINK = f"{_REPLICATE}|{_ROUND}|{_DRAW}"
_DIRECTORY = f"{_REPLICATE}(?:/{CONTROLS}(?:/[^/]+)?)?|{_TRAINING}"


def clear(path: Path) -> None:
    """Removes the search in a run directory, and no other file."""
    replicates = [each for each in _below(path, _REPLICATE) if not each.is_file()]
    if not replicates and not (path / PLAN).exists():
        return
    for name in (PLAN, TICKET):  # first: another process may read the trainings now
        _remove(path / name)
    for file in _below(path, _FILE):
        if not _is_directory(file):
            file.unlink()
    for directory in _below(path, _DIRECTORY):
        if _is_directory(directory):
            with contextlib.suppress(OSError):  # it holds other files, or is gone
                directory.rmdir()
        elif directory.is_symlink() and re.fullmatch(_LINK, directory.name):
            directory.unlink()
    for name in (*RESULTS, *(f"{name}.card.json" for name in EXPORTS.values())):
        _remove(path / name)


def remove_unfinished(path: Path) -> None:
    """Removes the half-written files of a search that was killed."""
    for unfinished in path.glob(f"{archive.TEMPORARY}*"):
        _remove(unfinished)
    for unfinished in _below(path, f"(?:{_REPLICATE}|{_TRAINING})/{_UNFINISHED}"):
        _remove(unfinished)


def holds_training(path: Path) -> bool:
    """Whether a run directory holds any file of a training."""
    return any(_below(path, f"{_TRAINING}/(?:{_ENDED})"))


def _below(path: Path, pattern: str) -> Iterator[Path]:
    """What is there whose path from a run directory matches; inner paths first."""
    for replicate in path.glob("replicate_*"):
        found = [replicate]
        if _is_directory(replicate):
            for directory, inner, files in os.walk(replicate):
                found += [Path(directory, name) for name in (*inner, *files)]
        for each in reversed(found):
            if re.fullmatch(pattern, each.relative_to(path).as_posix(), re.DOTALL):
                yield each


def _is_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _remove(path: Path) -> None:
    if _is_directory(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
