"""Sequences: what gives any batch by its position, as `keras.utils.Sequence` does.

Their batches are shuffled by seed and pass, as the rows of arrays are.
"""

import functools
import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.data.class_weight import Weigh
from tf_lottery.bindings.tf_keras.data.feed import (
    Again,
    Batches,
    Feed,
    dataset_of,
    example_of,
    shared_by_batch,
    standard,
)
from tf_lottery.core.plan import Plan
from tf_lottery.core.seeds import row_order


def is_sequence(value: Any) -> bool:
    """Whether it gives batches by their position, as a Keras `Sequence` does."""
    if isinstance(value, keras.utils.Sequence):
        return True
    plain = list | tuple | dict | str | bytes | tf.data.Dataset | tf.RaggedTensor
    if isinstance(value, plain | type) or hasattr(value, "shape"):
        return False
    sized = hasattr(type(value), "__len__") or hasattr(value, "num_batches")
    return sized and hasattr(type(value), "__getitem__")


class Indexed:
    """The batches of a sequence; as in `fit`, `on_epoch_end` is called after passes."""

    def __init__(self, sequence: Any) -> None:
        self._sequence = sequence
        self._begun = False
        self._length = _length(sequence)
        self.first = standard(sequence[0])
        self._changes = _has_own(sequence, "on_epoch_end", "on_epoch_begin")

    def dataset(self) -> Any:
        """Its batches in their order."""
        found = dataset_of(lambda: self._batches(range(self._length)), self.first)
        return found.apply(tf.data.experimental.assert_cardinality(self._length))

    def feed(self, plan: Plan, weigh: Weigh, again: Again = None) -> Feed:
        """Its batches in an order by seed and pass."""

        @functools.cache
        def make(step: int) -> Any:
            return self._from(step, plan.seed, weigh)

        def begin() -> Batches:
            if not self._changes or again is None:
                return Batches(make, self._begin)
            fresh = Indexed(again())
            return Batches(
                lambda step: fresh._from(step, plan.seed, weigh),
                fresh._begin,
                replayed=self._length,
            )

        spec = make(0).element_spec
        return Feed(
            steps_per_epoch=plan.steps_per_epoch or self._length,
            pass_length=self._length,
            spec=spec,
            begin=begin,
            example_spec=example_of(self.first, spec),
            repeatable=not self._changes or again is not None,
            note=self._note(),
        )

    def _note(self) -> str:
        kind = f"`dataset` is a {type(self._sequence).__name__}"
        if self._changes:
            return (
                f"{kind} with `on_epoch_end`, which is called after each pass. Passed "
                "as an object, it continues from training to training: this search can "
                "be resumed but not repeated. A function of the seed that returns it, "
                "`def dataset(seed):`, is called for each training and can be repeated."
            )
        return (
            f"{kind}: the order of its batches follows from seed and pass. This search "
            "can be resumed and repeated if an index gives the same batch each time."
        )

    def _from(self, step: int, seed: int, weigh: Weigh) -> Any:
        """The dataset of the pass of a step, from that step on."""
        number, offset = divmod(step, self._length)
        order = row_order(seed, number, self._length)[offset:].tolist()
        found = dataset_of(lambda: self._batches(order), self.first)
        # Reading ahead would change what depends on how much was read.
        found = found if self._changes else found.prefetch(2)
        return shared_by_batch(weigh(found))

    def _begin(self) -> None:
        if self._begun:
            getattr(self._sequence, "on_epoch_end", lambda: None)()
        self._begun = True
        getattr(self._sequence, "on_epoch_begin", lambda: None)()
        if (length := _length(self._sequence)) != self._length:
            raise ValueError(
                "`dataset` must have as many batches in each pass as at first, "
                f"{self._length}. Received: {length} after `on_epoch_end`."
            )

    def _batches(self, order: Iterable[int]) -> Iterator[Any]:
        return (standard(self._sequence[position]) for position in order)


def _length(sequence: Any) -> int:
    has_length = hasattr(type(sequence), "__len__")
    length = len(sequence) if has_length else sequence.num_batches
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
