"""The SHA-256 of bytes that are read or written meanwhile."""

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor

_LARGE = 2**18  # bytes; for fewer a second thread takes longer than it saves


class Sha256:
    """The SHA-256 of chunks of bytes; a second thread takes the large ones.

    A chunk must not change until the next call.
    """

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self._pool: ThreadPoolExecutor | None = None
        self._last: Future[None] | None = None

    def update(self, chunk: memoryview) -> None:
        """Adds a chunk; the caller goes on while a large one is hashed."""
        self._wait()
        if chunk.nbytes < _LARGE:
            self._sha.update(chunk)
        else:
            self._pool = self._pool or ThreadPoolExecutor(1)
            self._last = self._pool.submit(self._sha.update, chunk)

    def hexdigest(self) -> str:
        """The hash of all chunks."""
        self._wait()
        return self._sha.hexdigest()

    def _wait(self) -> None:
        if self._last:
            self._last.result()
            self._last = None
