"""Removes a search from its run directory, and nothing else.

Only names that a search writes are removed, and only in the places where it writes
them. Links are not followed, and a directory is removed only when it is empty.
"""

import contextlib
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
    TICKET,
    number_of,
)

_OURS = (
    *(PLAN, TICKET, "summary.csv", "summary.json", "figures.csv"),
    *("accuracy.png", "curves.png", "layers.png", "report.html", "tensorboard"),
    *("comparison.png", "comparison.csv", "comparison.json"),
    *EXPORTS.values(),
    *(f"{name}.card.{kind}" for name in EXPORTS.values() for kind in ("json", "md")),
)
_STEM, _, _ENDING = CHECKPOINT.partition(".")
_OF_TRAINING = re.compile(
    "|".join(
        [
            *map(re.escape, (TICKET, OUTCOME, METRICS)),
            rf"{_STEM}(_\w+)?\.{_ENDING}",
            rf"{re.escape(archive.TEMPORARY)}.*",
        ]
    )
)


def clear(path: Path) -> None:
    """Removes the search in a run directory, and no other file."""
    replicates = list(_named(path, "replicate"))
    if not replicates and not (path / PLAN).exists():
        return
    for name in (PLAN, TICKET):  # first: another process may read the trainings now
        _remove(path / name)
    for replicate in replicates:
        _clear_replicate(replicate)
    for name in _OURS:
        _remove(path / name)


def remove_unfinished(path: Path) -> None:
    """Removes the half-written files of a search that was killed."""
    directories = [path]
    for replicate in _named(path, "replicate"):
        directories += [replicate, *_trainings(replicate)]
    for directory in directories:
        for unfinished in _inside(directory):
            if unfinished.name.startswith(archive.TEMPORARY):
                _remove(unfinished)


def holds_training(replicate: Path) -> bool:
    """Whether a replicate holds any file of a training."""
    names = (TICKET, OUTCOME, METRICS)
    return any(
        (each / name).exists() for each in _trainings(replicate) for name in names
    )


def _clear_replicate(path: Path) -> None:
    for training in _trainings(path):
        for file in _inside(training):
            if _OF_TRAINING.fullmatch(file.name) and not _is_directory(file):
                file.unlink()
    emptied = [*_trainings(path), *_named(path / CONTROLS, None), path / CONTROLS, path]
    for directory in emptied:
        _remove_empty(directory)


def _trainings(path: Path) -> Iterator[Path]:
    """The directories of a replicate's trainings; inner ones before outer ones."""
    yield from _named(path, "round")
    for control in _named(path / CONTROLS, None):
        for round in _named(control, "round"):
            yield from _named(round, "draw")
            yield round


def _named(path: Path, kind: str | None) -> list[Path]:
    """The directories of that kind, and links."""
    return [
        each
        for each in _inside(path)
        if (kind is None or number_of(each.name, kind) >= 0)
        and (_is_directory(each) or each.is_symlink())
    ]


def _inside(path: Path) -> list[Path]:
    if not _is_directory(path):
        return []
    return sorted(path.iterdir())


def _is_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _remove_empty(path: Path) -> None:
    kinds = ("replicate", "round", "draw")
    if path.is_symlink() and any(number_of(path.name, kind) >= 0 for kind in kinds):
        path.unlink()
    with contextlib.suppress(OSError):  # it holds other files, or is gone
        path.rmdir()


def _remove(path: Path) -> None:
    if _is_directory(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
