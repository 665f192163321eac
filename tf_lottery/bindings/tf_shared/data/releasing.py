"""Iterators of `tf.data` end without keeping the search waiting.

An iterator with autotuning has a thread that sleeps for a period, which doubles up to a
minute. When the iterator is deleted, the thread is woken, may find that it is not
cancelled yet, and then sleeps on while the deletion waits for it: seconds at the end of
a training, in which nothing is computed.
"""

import sys
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

_ONLY_HERE = 2  # references: of a list, and of the call that counts them


def released_aside(iterator: Iterator[Any]) -> None:
    """Lets another thread delete what an iterator of one device holds, at its end."""
    resource = getattr(iterator, "_iterator_resource", None)
    if resource is not None:
        # When the process ends there is nothing to release.
        weakref.finalize(iterator, _release, [resource]).atexit = False


def _release(held: list[Any]) -> None:
    threading.Thread(target=_delete, args=(held,), name="released", daemon=True).start()


def _delete(held: list[Any]) -> None:
    while sys.getrefcount(held[0]) > _ONLY_HERE:  # the iterator is still going
        time.sleep(0.001)
    held.clear()
