"""The batches of one training, which can be opened at its steps."""

from collections.abc import Callable, Iterator
from typing import Any


class Batches:
    """See `parts.Batches`.

    Args:
        make: From a step to an iterable whose first batch is that of the step.
        begin_pass: Called before each pass.
        replayed: The length of a pass, if its order depends on how many passes were
            opened before: these are then opened, too.
    """

    def __init__(
        self,
        make: Callable[[int], Any],
        begin_pass: Callable[[], None] = lambda: None,
        replayed: int | None = None,
    ) -> None:
        self._make = make
        self._begin_pass = begin_pass
        self._replayed = replayed
        self._opened = 0

    def open(self, step: int) -> Iterator[Any]:
        """An iterator whose first batch is that of `step`."""
        while self._replayed and self._opened < step // self._replayed:
            self._opened += 1
            self._begin_pass()
            iter(self._make(0))
        self._opened += 1
        self._begin_pass()
        return self._iterator(self._make(step))

    def _iterator(self, batches: Any) -> Iterator[Any]:
        return iter(batches)
