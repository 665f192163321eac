"""Trainings of other searches: what one run directory holds, no other does again.

Every finished training has a key in its `metrics.json` (see `Identity`), so run
directories below one path find each other's. Files are linked where the file system
can, so what is shared takes no space twice.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import filelock

from tf_lottery.core import archive
from tf_lottery.run_dir.names import CHECKPOINT, METRICS
from tf_lottery.run_dir.sealed import text_of

LOCKS = ".sharing"


class Shared:
    """Finds finished trainings below a path.

    Args:
        path: A directory that run directories are in.
        run_dir: That of the search that shares, if it is kept. Below `path`, it may be
            the first one there.

    Raises:
        ValueError: `path` is no directory.
    """

    def __init__(
        self, path: archive.PathLike, run_dir: archive.PathLike | None = None
    ) -> None:
        self.path = Path(path)
        self._keys: dict[Path, str | None] = {}
        begins = run_dir is not None and self.holds(Path(run_dir))
        self._locks = begins
        if not os.fspath(path) or (
            not self.path.is_dir() and (self.path.exists() or not begins)
        ):
            raise ValueError(
                "`share_with` must be a directory of run directories. "
                f"Received: share_with={os.fspath(path)!r}, which is none. Put "
                "`run_dir` below it to begin one."
            )

    def holds(self, run_dir: Path) -> bool:
        """Whether other searches find a run directory here."""
        return run_dir.resolve().is_relative_to(self.path.resolve())

    @contextlib.contextmanager
    def alone(self, key: str, waits: Callable[[], None]) -> Iterator[None]:
        """Waits while another search below the path does a training of that key.

        Of searches that are elsewhere nothing is known, and for them nobody waits.

        Args:
            key: See `Identity`.
            waits: Called before it waits.
        """
        if not self._locks:
            yield
            return
        directory = self.path / LOCKS
        directory.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(directory / f"{key[:32]}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            waits()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def of(self, key: str) -> Iterator[Path]:
        """The directories of trainings with that key."""
        for path in sorted(self.path.rglob(METRICS)):
            if path not in self._keys:
                self._keys[path] = _key(path)
            # Read again: another search may have taken its place since.
            if self._keys[path] == key and _key(path) == key:
                yield path.parent

    def checkpoints(self) -> Iterator[Path]:
        """From where trainings may go on."""
        yield from sorted(self.path.rglob(CHECKPOINT))


def counted(path: Path) -> tuple[int, int]:
    """How many trainings were done below a path, and how many searches there have.

    The second counts what is shared once for each that has it.
    """
    keys = [_key(found) for found in path.rglob(METRICS)]
    known = {key for key in keys if key is not None}
    return len(known) + keys.count(None), len(keys)


def link(files: Iterable[Path], directory: Path) -> None:
    """Puts files into another directory, in their order."""
    directory.mkdir(parents=True, exist_ok=True)
    for file in files:
        temporary = directory / f"{archive.TEMPORARY}{file.name}"
        temporary.unlink(missing_ok=True)
        try:
            os.link(file, temporary)
        except OSError:  # another file system, or one without links
            shutil.copyfile(file, temporary)
        os.replace(temporary, directory / file.name)


def _key(path: Path) -> str | None:
    try:
        key: str | None = json.loads(text_of(path)).get("key")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None  # another program's file, or a search that is removed just now
    return key
