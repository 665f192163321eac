"""Rows in memory that are kept on the device, so that positions say what a batch is."""

import weakref
from collections.abc import Callable
from typing import Any

from tf_lottery.bindings.keras3.data.in_memory import InMemory, RowBatches
from tf_lottery.bindings.shared.rows import leaves

# Bytes of rows that are kept, where a device does not say how much it holds.
ROOM = 2**31


class RowsOnDevice:
    """Puts the rows of batches on the device, as long as the batches are in use.

    Args:
        put: Copies rows to the device.
        room: Says how many bytes of rows still fit.
    """

    def __init__(self, put: Callable[[Any], Any], room: Callable[[], int]) -> None:
        self._put, self._room = put, room
        self._kept: Any = weakref.WeakKeyDictionary()

    def of(self, batches: Any) -> Any:
        """The rows of these batches; None of other batches, and if they do not fit."""
        if not isinstance(batches, RowBatches):
            return None
        source: InMemory = batches.source
        if source not in self._kept:
            fits = number_of_bytes(source.rows) <= self._room()
            self._kept[source] = self._put(source.rows) if fits else None
        return self._kept[source]


def number_of_bytes(arrays: Any) -> int:
    """How much memory arrays take."""
    return sum(int(leaf.nbytes) for leaf in leaves(arrays))
