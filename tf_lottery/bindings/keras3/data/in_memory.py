"""Rows in memory, whose batches are known by their positions before they are read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery.bindings.keras3.data import arrays


@dataclass(frozen=True, eq=False)
class InMemory:
    """Rows that are batched.

    Attributes:
        rows: Arrays of one length, packed.
        batch_size: The rows of a batch; the last of a pass may have fewer.
    """

    rows: Any
    batch_size: int

    @property
    def size(self) -> int:
        """The number of rows."""
        return arrays.size(self.rows)

    @property
    def length(self) -> int:
        """The number of batches of a pass."""
        return -(-self.size // self.batch_size)

    def batches(self, orders: Iterable[NDArray[Any]], skipped: int = 0) -> "RowBatches":
        """The batches of passes, without some at the beginning of the first.

        `orders` has the positions of all rows for each pass.
        """
        return RowBatches(self, iter(orders), skipped)


class RowBatches(Iterator[Any]):
    """Batches of rows; who has the rows at hand can take positions instead."""

    def __init__(
        self, source: InMemory, orders: Iterator[NDArray[Any]], skipped: int
    ) -> None:
        self.source = source
        self._orders = orders
        self._left = next(orders)[skipped * source.batch_size :]

    def positions(self, most: int) -> NDArray[Any]:
        """The positions of rows of at most so many batches, which have one size.

        Returns:
            Positions of shape (batches, rows of a batch).

        Raises:
            StopIteration: There is no batch left.
        """
        if not len(self._left):
            self._left = next(self._orders)
        size = self.source.batch_size
        number = min(most, len(self._left) // size) or 1
        taken, self._left = np.split(self._left, [number * size])
        return taken.reshape(number, -1)

    def __next__(self) -> Any:
        return arrays.taken(self.source.rows, self.positions(1)[0])
