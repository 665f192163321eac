"""The SHA-256 of bytes that are read or written meanwhile."""

import hashlib
from threading import Thread

_LARGE = 2**20  # bytes; for fewer a thread takes longer than it saves


class Sha256:
    """The SHA-256 of chunks of bytes; a second thread takes the large ones.

    A chunk must not change until the next call.
    """

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self._thread: Thread | None = None

    def update(self, chunk: memoryview) -> None:
        """Adds a chunk; the caller goes on while a large one is hashed."""
        self._wait()
        if chunk.nbytes < _LARGE:
            self._sha.update(chunk)
        else:
            self._thread = Thread(target=self._sha.update, args=(chunk,))
            self._thread.start()

    def hexdigest(self) -> str:
        """The hash of all chunks."""
        self._wait()
        return self._sha.hexdigest()

    def _wait(self) -> None:
        if self._thread:
            self._thread.join()
            self._thread = None
