"""Trainings that searches share: of equal trainings only the first one is done.

    trainings/<key>/      outcome.safetensors  metrics.json

Each directory holds a finished training and is named by its key (see `Keys`). The
files are hard links to those of a run directory: they take no space of their own, and
stay when the run directory is removed. Where links are not possible, they are copies.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import filelock

from tf_lottery.core import archive, pausing
from tf_lottery.run_dir.names import METRICS, OUTCOME, TRAININGS
from tf_lottery.run_dir.sealed import text_of
from tf_lottery.run_dir.writable import make_directory


class Cache:
    """The finished trainings below a path, which is made if it is missing."""

    def __init__(self, path: archive.PathLike) -> None:
        self.path = Path(path) / TRAININGS
        make_directory("share_with", path)
        self.path.mkdir(exist_ok=True)

    @contextlib.contextmanager
    def alone(self, key: str, waits: Callable[[], None]) -> Iterator[None]:
        """Keeps other searches from the training with a key.

        `waits` is called before it waits for another search that does this training.
        """
        with contextlib.ExitStack() as stack:
            has_waited = False
            while True:
                try:
                    stack.enter_context(self._locked(key))
                    break
                except filelock.Timeout:
                    if not has_waited:
                        waits()
                    has_waited = True
                    pausing.pause()
            yield

    def publish(self, key: str, directory: Path) -> None:
        """Adds a finished training, in place of one that is there.

        Only one search at a time may publish a key, see `alone`.
        """
        unfinished = self.path / f"{archive.TEMPORARY}{key}"
        shutil.rmtree(unfinished, ignore_errors=True)  # of a search that was killed
        link([directory / OUTCOME, directory / METRICS], unfinished)
        shutil.rmtree(self.path / key, ignore_errors=True)
        os.replace(unfinished, self.path / key)

    def add(self, key: str, directory: Path) -> None:
        """Publishes a training unless it is there, or another search does it now."""
        if not (self.path / key).exists():
            with contextlib.suppress(filelock.Timeout), self._locked(key):
                self.publish(key, directory)

    @contextlib.contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """Holds the lock of a key; raises a Timeout if another search holds it."""
        path = self.path / f"{key}.lock"
        with filelock.FileLock(path).acquire(timeout=0):
            try:
                yield
            finally:
                # A search that waits for the lock makes the file again.
                with contextlib.suppress(OSError):
                    path.unlink()


def counted(path: Path) -> tuple[int, int]:
    """How many trainings the searches below a path have done, and how many they have.

    The second number counts a training once for each search that has it.
    """
    shared = path / TRAININGS
    keys = [_key(each) for each in path.rglob(METRICS) if shared not in each.parents]
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
