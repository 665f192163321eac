"""Sequences: what gives any batch by its position, as `keras.utils.PyDataset` does.

Their batches are shuffled by seed and pass, as rows in memory are. A sequence without
end is read in its order.
"""

import functools
import inspect
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from tf_lottery.bindings.shared.naming import is_a
from tf_lottery.bindings.shared.source import (
    Again,
    Facts,
    Reading,
    Source,
    Standard,
    check_ends,
)
from tf_lottery.core.plan import Plan
from tf_lottery.core.seeds import row_order


def is_sequence(value: Any) -> bool:
    """Whether it gives batches by their position, as a Keras `Sequence` does."""
    if is_a(value, "Sequence") or is_a(value, "PyDataset"):
        return True
    plain = (list, tuple, dict, str, bytes, type)
    if isinstance(value, plain) or hasattr(value, "shape"):
        return False
    sized = hasattr(type(value), "__len__") or hasattr(value, "num_batches")
    return sized and hasattr(type(value), "__getitem__")


class Indexed(Source):
    """The batches of a sequence; as in `fit`, `on_epoch_end` is called after passes.

    A pass of an endless one is an epoch of the plan.
    """

    def __init__(self, sequence: Any, standard: Standard) -> None:
        self._sequence = sequence
        self._standard = standard
        self._begun = False
        self.length = _length(sequence)
        self.is_endless = self.length is None
        self.first = standard(sequence[0])
        self._changes = _has_own(sequence, "on_epoch_end", "on_epoch_begin")
        # Reading ahead would change what depends on how much was read.
        self.reads_ahead = not self._changes

    def in_order(self) -> Iterator[Any]:
        length = self.length
        return self._batches(itertools.count() if length is None else range(length))

    def facts(self, plan: Plan, again: Again) -> Facts:
        check_ends(self.length, plan)
        return Facts(
            plan.steps_per_epoch or self.length or 0,
            self.length or plan.steps_per_epoch,
            repeatable=not self._changes or again is not None,
            note=self._note(),
        )

    def reading(self, plan: Plan, again: Again) -> Reading:
        read, replayed = self, None
        if self._changes and again is not None:
            read = Indexed(again(), self._standard)
            replayed = self.length or plan.steps_per_epoch
        from_step = functools.partial(read._from, plan.seed)
        return Reading(from_step, read._begin, replayed)

    def _from(self, seed: int, step: int) -> Iterator[Any]:
        if self.length is None:
            return self._batches(itertools.count(step))
        number, offset = divmod(step, self.length)
        order = row_order(seed, number, self.length)[offset:].tolist()
        return self._batches(order)

    def _note(self) -> str:
        kind = f"`dataset` is a {type(self._sequence).__name__}"
        if self._changes:
            return (
                f"{kind} with `on_epoch_end`, which is called after each pass. Passed "
                "as an object, it continues from training to training: this search can "
                "be resumed but not repeated. A function of the seed that returns it, "
                "`def dataset(seed):`, is called for each training and can be repeated."
            )
        order = "the order of its batches follows from seed and pass"
        if self.is_endless:
            order = "it has no end, and each training reads it from its first batch"
        return (
            f"{kind}: {order}. This search can be resumed and repeated if an index "
            "gives the same batch each time."
        )

    def _begin(self) -> None:
        if self._begun:
            getattr(self._sequence, "on_epoch_end", lambda: None)()
        self._begun = True
        getattr(self._sequence, "on_epoch_begin", lambda: None)()
        if (length := _length(self._sequence)) != self.length:
            raise ValueError(
                "`dataset` must have as many batches in each pass as at first, "
                f"{self.length}. Received: {length} after `on_epoch_end`."
            )

    def _batches(self, order: Iterable[int]) -> Iterator[Any]:
        return (self._standard(self._sequence[position]) for position in order)


def _length(sequence: Any) -> int | None:
    """The number of batches; None if there is no end."""
    is_plain = hasattr(type(sequence), "__len__") and not is_a(sequence, "PyDataset")
    length = len(sequence) if is_plain else sequence.num_batches
    if length is None:
        return None
    if not length:
        raise ValueError(
            f"A {type(sequence).__name__} must have a length of at least one batch. "
            f"Received: {length}."
        )
    return int(length)


def _has_own(sequence: Any, *names: str) -> bool:
    """Whether a method is not the one that does nothing in Keras."""
    methods = (inspect.getattr_static(type(sequence), name, None) for name in names)
    modules = (getattr(method, "__module__", "") for method in methods if method)
    empty = ("tf_keras.src.utils.data_utils", "keras.src.trainers.data_adapters")
    return any(not module.startswith(empty) for module in modules)
