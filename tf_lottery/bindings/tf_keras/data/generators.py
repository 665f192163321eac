"""Generators: what gives batches one after the other, and can be read once.

A function of the seed that returns a generator can be called again for each training.
A generator that was passed as an object continues from training to training.
"""

import functools
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tf_lottery.bindings.tf_keras._imports import tf
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
from tf_lottery.core.words import warn

_FUNCTION = (
    "Pass a function of the seed that returns a generator, `def dataset(seed):`, or a "
    "tf.data.Dataset."
)
# After so many batches or seconds, and ten times as many, a warning says the count.
_LONG = 100_000
_SECONDS = 5.0


def is_generator(value: Any) -> bool:
    """Whether it is an iterator, which can be read once."""
    return isinstance(value, Iterator) and not isinstance(value, tf.data.Dataset)


class Generated:
    """What a function of the seed generates; each call begins from the start."""

    def __init__(self, again: Callable[[], Any]) -> None:
        self._again = again
        self.first = _first(again())

    def dataset(self) -> Any:
        """Its batches."""
        return dataset_of(lambda: map(standard, self._again()), self.first)

    def feed(self, plan: Plan, weigh: Weigh, again: Again = None) -> Feed:
        """Its batches; they are counted, unless the steps of an epoch are given."""
        length = count(self._again()) if plan.steps_per_epoch is None else None

        def make(step: int) -> Any:
            offset = step % length if length else step
            found = self._again()
            # In Python, where a signal is seen between two batches.
            for _ in itertools.islice(found, offset):
                pass
            rest = functools.partial(map, standard, found)
            return shared_by_batch(weigh(dataset_of(rest, self.first)))

        spec = make(0).element_spec
        return Feed(
            steps_per_epoch=plan.steps_per_epoch or length or 0,
            pass_length=length,
            spec=spec,
            begin=lambda: Batches(make),
            example_spec=example_of(self.first, spec),
            note="`dataset` generates its batches, and is called with the seed for "
            f"each {'pass' if length else 'training'}: this search can be resumed and "
            "repeated if equal seeds give equal batches.",
            is_promised=length is not None,
            advice="Let it generate as many batches for each call, or generate without "
            "end (`while True:`) and pass `steps_per_epoch`.",
        )


class Once:
    """A generator that was passed as an object: each training reads further in it.

    It is endless, as each training needs its batches.
    """

    def __init__(self, iterator: Any) -> None:
        self._iterator = iterator
        self._lock = threading.Lock()

    @functools.cached_property
    def first(self) -> Any:
        """The first batch, which training gets, too."""
        batch = _first(self._iterator)
        self._iterator = itertools.chain([batch], self._iterator)
        return batch

    def dataset(self) -> Any:
        """Raises a ValueError: evaluation reads its data many times."""
        raise ValueError(
            "Data that are read more than once must not be a generator, which ends. "
            "Received: a generator. Pass arrays, a tf.data.Dataset or a "
            "`keras.utils.Sequence`."
        )

    def feed(self, plan: Plan, weigh: Weigh, again: Again = None) -> Feed:
        """Its batches, from where it is."""
        if plan.steps_per_epoch is None:
            raise ValueError(
                "A search trains several times, and a generator can be read once. "
                f"Received: a generator. {_FUNCTION} An endless generator needs "
                "`steps_per_epoch`."
            )
        found = shared_by_batch(weigh(dataset_of(self._rest, self.first)))
        return Feed(
            steps_per_epoch=plan.steps_per_epoch,
            pass_length=None,
            spec=found.element_spec,
            begin=lambda: Batches(lambda step: found),
            example_spec=example_of(self.first, found.element_spec),
            repeatable=False,
            note="`dataset` is a generator, which continues from training to training: "
            "this search can be resumed, with other batches, but not repeated. "
            + _FUNCTION,
            advice=f"A search trains several times. {_FUNCTION}",
        )

    def _rest(self) -> Iterator[Any]:
        while True:
            with self._lock:  # an abandoned iterator may still read
                batch = next(self._iterator, None)
            if batch is None:
                return
            yield standard(batch)


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


def _first(batches: Any) -> Any:
    for batch in batches:
        return standard(batch)
    raise ValueError(
        "`dataset` must have at least one batch. Received: a generator that is empty."
    )
