"""Silence, for native code that greets and warns in lines that no setting stops."""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

_LOCK = threading.RLock()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing on the standard error stream, of native code neither.

    The stream is the process's: threads that want silence take turns.
    """
    with _LOCK:
        sys.stderr.flush()
        kept = os.dup(2)
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
