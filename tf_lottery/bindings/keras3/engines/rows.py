"""Rows in memory that are kept on the device, so that positions say what a batch is."""

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

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
            self._kept[source] = self._placed(source.rows)
        return self._kept[source]

    def _placed(self, rows: Any) -> Any:
        """The rows on the device; replicates have equal ones, which are there once."""
        for other, placed in self._kept.items():
            if are_equal(rows, other.rows):
                return placed
        fits = number_of_bytes(rows) <= self._room()
        return self._put(rows) if fits else None


def are_equal(one: Any, other: Any) -> bool:
    """Whether two structures hold equal arrays."""
    ours, theirs = list(leaves(one)), list(leaves(other))
    return len(ours) == len(theirs) and all(map(_is_same, ours, theirs))


def _is_same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    is_alike = one.dtype == other.dtype and one.shape == other.shape
    return is_alike and bool(np.array_equal(one, other))


def number_of_bytes(arrays: Any) -> int:
    """How much memory arrays take."""
    return sum(int(leaf.nbytes) for leaf in leaves(arrays))
