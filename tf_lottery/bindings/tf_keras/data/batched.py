"""Batches that Python code makes: `keras.utils.Sequence`, `PyDataset`, generators.

A sequence gives any batch by its position, so its batches are shuffled by seed and
pass as the rows of arrays are. A function of the seed can be called again for each
pass. A generator that was passed as it is can be read once, in its own order.
"""

import functools
import inspect
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.data import arrays
from tf_lottery.bindings.tf_keras.data.feed import (
    Batches,
    Feed,
    Passes,
    shared_by_batch,
)
from tf_lottery.core.plan import Plan
from tf_lottery.core.seeds import row_order
from tf_lottery.core.warn import warn

Weigh = Callable[[Any], Any]
_RETURN = (
    "A function of the seed that returns it, `def dataset(seed):`, is called for each "
    "training, which can be repeated."
)
_FUNCTION = (
    "Pass a function of the seed that returns a generator, `def dataset(seed):`, or a "
    "tf.data.Dataset."
)
# After so many batches or seconds, and ten times as many, counting is said.
_LONG = 100_000
_SECONDS = 5.0


def is_sequence(value: Any) -> bool:
    """Whether it gives batches by their position, as a Keras `Sequence` does."""
    if isinstance(value, keras.utils.Sequence):
        return True
    plain = list | tuple | dict | str | bytes | tf.data.Dataset | tf.RaggedTensor
    if isinstance(value, plain | type) or hasattr(value, "shape"):
        return False
    sized = hasattr(type(value), "__len__") or hasattr(value, "num_batches")
    return sized and hasattr(type(value), "__getitem__")


def is_generator(value: Any) -> bool:
    """Whether it is an iterator, which can be read once."""
    is_dataset = isinstance(value, tf.data.Dataset)
    return hasattr(value, "__next__") and hasattr(value, "__iter__") and not is_dataset


class Indexed:
    """A `Sequence`, or what gives batches by their position like one.

    `on_epoch_end` is called between passes, as `fit` does; what a pass holds may then
    depend on how many came before.

    Args:
        sequence: Has a length and batches.

    Raises:
        ValueError: It is empty or endless.
    """

    def __init__(self, sequence: Any) -> None:
        self._sequence = sequence
        self._begun = False
        self.length = _length(sequence)
        self.first = _standard(sequence[0])
        self.changes = _has_own(sequence, "on_epoch_end", "on_epoch_begin")

    @property
    def note(self) -> str:
        """What this form means for repeating and resuming."""
        kind = f"`dataset` is a {type(self._sequence).__name__}"
        if self.changes:
            return (
                f"{kind} with `on_epoch_end`, which is called after each pass. Passed "
                "as it is, it goes on from training to training: this search can be "
                f"resumed but not repeated. {_RETURN}"
            )
        return (
            f"{kind}: the order of its batches follows from seed and pass, so this "
            "search can be resumed and repeated if an index gives the same batch each "
            "time."
        )

    def dataset(self) -> Any:
        """Its batches in their order."""
        found = _dataset(lambda: self._batches(range(self.length)), self.first)
        return found.apply(tf.data.experimental.assert_cardinality(self.length))

    def feed(
        self, plan: Plan, weigh: Weigh, again: Callable[[], Any] | None = None
    ) -> Feed:
        """Its batches in an order by seed and pass."""
        made: dict[int, Any] = {}

        def make(step: int) -> Any:
            if step not in made:
                made[step] = self._from(step, plan.seed, weigh)
            return made[step]

        def begin() -> Batches:
            if not self.changes or again is None:
                return Batches(make, self._begin)
            anew = Indexed(again())
            return Passes(
                lambda step: anew._from(step, plan.seed, weigh),
                self.length,
                anew._begin,
            )

        spec = make(0).element_spec
        return Feed(
            steps_per_epoch=plan.steps_per_epoch or self.length,
            pass_length=self.length,
            spec=spec,
            begin=begin,
            repeatable=not self.changes or again is not None,
            example=_example(self.first, spec),
        )

    def _from(self, step: int, seed: int, weigh: Weigh) -> Any:
        """The dataset of the pass of a step, from that step on."""
        number, offset = divmod(step, self.length)
        order = row_order(seed, number, self.length)[offset:].tolist()
        found = _dataset(lambda: self._batches(order), self.first)
        # Reading ahead would change what depends on how much was read.
        found = found if self.changes else found.prefetch(2)
        return shared_by_batch(weigh(found))

    def _begin(self) -> None:
        if self._begun:
            getattr(self._sequence, "on_epoch_end", _nothing)()
        self._begun = True
        getattr(self._sequence, "on_epoch_begin", _nothing)()
        if (length := _length(self._sequence)) != self.length:
            raise ValueError(
                "`dataset` must have as many batches in each pass as at first, "
                f"{self.length}. Received: {length} after `on_epoch_end`."
            )

    def _batches(self, order: Iterable[int]) -> Iterator[Any]:
        return (_standard(self._sequence[position]) for position in order)


class Generated:
    """What a function of the seed generates; each call begins anew.

    Args:
        again: Calls the function, which returns an iterator.

    Raises:
        ValueError: It generates nothing.
    """

    def __init__(self, again: Callable[[], Any]) -> None:
        self._again = again
        self.first = _first(again())
        self.length: int | None = None

    @property
    def note(self) -> str:
        """What this form means for repeating and resuming."""
        return (
            "`dataset` generates its batches, and is called with the seed again for "
            f"each {'pass' if self.length else 'training'}: this search can be resumed "
            "and repeated if equal seeds give equal batches."
        )

    def dataset(self) -> Any:
        """Its batches."""
        return _dataset(lambda: map(_standard, self._again()), self.first)

    def feed(
        self, plan: Plan, weigh: Weigh, again: Callable[[], Any] | None = None
    ) -> Feed:
        """Its batches; they are counted, unless the steps of an epoch are given."""
        if plan.steps_per_epoch is None and self.length is None:
            self.length = count(self._again())
        length = self.length if plan.steps_per_epoch is None else None

        def make(step: int) -> Any:
            offset = step % length if length else step
            found = self._again()
            # Here, where a signal is seen between two batches.
            for _ in itertools.islice(found, offset):
                pass
            rest = functools.partial(map, _standard, found)
            return shared_by_batch(weigh(_dataset(rest, self.first)))

        spec = make(0).element_spec
        return Feed(
            steps_per_epoch=plan.steps_per_epoch or length or 0,
            pass_length=length,
            spec=spec,
            begin=lambda: Batches(make),
            example=_example(self.first, spec),
            is_promised=length is not None,
            advice="Let it generate as many batches for each call, or generate without "
            "end (`while True:`) and pass `steps_per_epoch`.",
        )


class Once:
    """A generator that was passed as it is: it is read on, in all trainings.

    Args:
        iterator: Endless, as each training needs its batches.
    """

    note = (
        "`dataset` is a generator, which is read on from training to training: this "
        "search can be resumed, with other batches, but not repeated. " + _FUNCTION
    )

    def __init__(self, iterator: Any) -> None:
        self._iterator = iterator
        self._lock = threading.Lock()
        self._first: Any = None

    @property
    def first(self) -> Any:
        """The first batch, which is trained on, too."""
        if self._first is None:
            self._first = _first(self._iterator)
            self._iterator = itertools.chain([self._first], self._iterator)
        return self._first

    def dataset(self) -> Any:
        """Raises: what is read once cannot be evaluated each time."""
        raise ValueError(
            "Data that are read more than once must not be a generator, which ends. "
            "Received: a generator. Pass arrays, a tf.data.Dataset or a "
            "`keras.utils.Sequence`."
        )

    def feed(
        self, plan: Plan, weigh: Weigh, again: Callable[[], Any] | None = None
    ) -> Feed:
        """Its batches, from where it is."""
        if plan.steps_per_epoch is None:
            raise ValueError(
                "A search trains several times, and a generator can be read once. "
                f"Received: a generator. {_FUNCTION} An endless generator needs "
                "`steps_per_epoch`."
            )
        found = shared_by_batch(weigh(_dataset(self._rest, self.first)))
        return Feed(
            steps_per_epoch=plan.steps_per_epoch,
            pass_length=None,
            spec=found.element_spec,
            begin=lambda: Batches(lambda step: found),
            repeatable=False,
            example=_example(self.first, found.element_spec),
            advice=f"A search trains several times. {_FUNCTION}",
        )

    def _rest(self) -> Iterator[Any]:
        while True:
            with self._lock:  # an iterator that is given up may still read
                batch = next(self._iterator, None)
            if batch is None:
                return
            yield _standard(batch)


Batched = Indexed | Generated | Once


def count(batches: Iterable[Any]) -> int:
    """How many batches there are."""
    number, began = 0, time.monotonic()
    most, longest = _LONG, _SECONDS
    for number, _ in enumerate(batches, 1):
        if number >= most or time.monotonic() - began >= longest:
            most, longest = 10 * most, 10 * longest
            warn(
                "The batches of `dataset` are counted before the first training: "
                f"{number:,} so far. If it is endless, stop, and pass "
                "`steps_per_epoch`."
            )
    return number


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


def _first(batches: Any) -> Any:
    for batch in batches:
        return _standard(batch)
    raise ValueError(
        "`dataset` must have at least one batch. Received: a generator that is empty."
    )


def _standard(batch: Any) -> Any:
    """A batch as `fit` hands it on, strings as tensors."""
    return tf.nest.map_structure(_tensor, arrays.packed(batch))


def _tensor(array: Any) -> Any:
    is_text = isinstance(array, np.ndarray) and array.dtype.kind in "OUS"
    return tf.convert_to_tensor(array) if is_text else array


def _dataset(batches: Callable[[], Iterable[Any]], first: Any) -> Any:
    """A dataset of batches whose sizes may differ, as Keras takes them."""
    spec = tf.nest.map_structure(
        lambda part: tf.type_spec_from_value(part)._with_tensor_ranks_only(), first
    )
    found = tf.data.Dataset.from_generator(batches, output_signature=spec)
    options = tf.data.Options()
    options.experimental_optimization.inject_prefetch = False
    return found.with_options(options)


def _example(first: Any, spec: Any) -> Any:
    """The spec of the first batch, of any number of rows, weighted as `spec` is."""
    rows = tf.data.Dataset.from_tensors(first).unbatch().batch(2).element_spec
    x, y, weights = arrays.unpacked(rows)
    if weights is None:
        weights = arrays.unpacked(spec)[2]
    return keras.utils.pack_x_y_sample_weight(x, y, weights)


def _nothing() -> None:
    pass
