"""A long file goes to the disk while it is written, not all at its end."""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from io import BufferedRandom

_OFTEN = 2**25  # bytes


class Syncing:
    """Brings what a file has so far to the disk, in a second thread.

    Leave the context before the file is closed. What the disk refuses is raised by
    `look` or when the context ends.
    """

    def __init__(self, file: BufferedRandom) -> None:
        self._file = file
        self._pool = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None
        self._synced = 0

    def look(self) -> None:
        """Begins to sync if much was written since the last time."""
        written = self._file.tell()
        if written - self._synced < _OFTEN or (self._last and not self._last.done()):
            return
        self._wait()
        self._last, self._synced = self._pool.submit(self._sync), written

    def __enter__(self) -> "Syncing":
        return self

    def __exit__(self, error: object, *_: object) -> None:
        self._pool.shutdown()
        if error is None:
            self._wait()

    def _sync(self) -> None:
        os.fsync(self._file.fileno())

    def _wait(self) -> None:
        if self._last:
            # An error is reported once by the system: it must not be lost.
            self._last.result()
            self._last = None
