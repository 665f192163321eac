"""Directories that a search writes to: checked before training, for one process."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import filelock

from tf_lottery.core import archive


def make_directory(argument: str, path: archive.PathLike) -> None:
    """Makes a directory; raises a ValueError if no files can be written to it."""
    try:
        os.makedirs(path, exist_ok=True)
        probe = Path(path) / ".writable"
        with archive.atomic(probe):
            pass
        probe.unlink(missing_ok=True)  # another process may check, too
    except OSError as error:
        raise ValueError(
            f"`{argument}` must be a directory that can be written. Received: "
            f"{os.fspath(path)!r} ({error.strerror})."
        ) from error


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keeps others from a directory; raises a ValueError if another process uses it."""
    try:
        lock = filelock.FileLock(directory / ".lock").acquire(timeout=0)
    except filelock.Timeout as error:
        raise ValueError(
            f"{directory} is in use by another process. Wait for it to end, or pass "
            "another `run_dir`."
        ) from error
    with lock:
        yield
