"""Generators: what gives batches one after the other, and can be read once.

A function of the seed that returns a generator can be called again for each training.
A generator that was passed as an object continues from training to training.
"""

import functools
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

from tf_lottery.bindings.shared.source import (
    Again,
    Facts,
    Reading,
    Source,
    Standard,
    count,
    first_of,
)
from tf_lottery.core.plan import Plan

_FUNCTION = (
    "Pass a function of the seed that returns a generator, `def dataset(seed):`, or a "
    "tf.data.Dataset."
)


class Generated(Source):
    """What a function of the seed generates; each call begins from the start."""

    def __init__(self, again: Callable[[], Any], standard: Standard) -> None:
        self._again = again
        self._standard = standard
        self._length: int | None = None
        self.first = first_of(map(standard, again()))

    def in_order(self) -> Iterator[Any]:
        return map(self._standard, self._again())

    def facts(self, plan: Plan, again: Again) -> Facts:
        if plan.steps_per_epoch is None:
            self._length = count(self._again())
        return Facts(
            plan.steps_per_epoch or self._length or 0,
            self._length,
            note="`dataset` generates its batches, and is called with the seed for "
            f"each {'pass' if self._length else 'training'}: this search can be resumed"
            " and repeated if equal seeds give equal batches.",
            is_promised=self._length is not None,
            advice="Let it generate as many batches for each call, or generate without "
            "end (`while True:`) and pass `steps_per_epoch`.",
        )

    def reading(self, plan: Plan, again: Again) -> Reading:
        return Reading(self._from)

    def _from(self, step: int) -> Iterator[Any]:
        offset = step % self._length if self._length else step
        found = self._again()
        # In Python, where a signal is seen between two batches.
        for _ in itertools.islice(found, offset):
            pass
        return map(self._standard, found)


class Once(Source):
    """A generator that was passed as an object: each training reads further in it.

    It is endless, as each training needs its batches.
    """

    def __init__(self, iterator: Any, standard: Standard) -> None:
        self._iterator = iterator
        self._standard = standard
        self._lock = threading.Lock()

    @functools.cached_property
    def first(self) -> Any:
        """The first batch, which training gets, too."""
        batch = next(self._iterator, None)
        first = first_of([] if batch is None else [self._standard(batch)])
        self._iterator = itertools.chain([batch], self._iterator)
        return first

    def in_order(self) -> Iterator[Any]:
        self.check_read_again()
        return iter(())

    def check_read_again(self) -> None:
        raise ValueError(
            "Data that are read more than once must not be a generator, which ends. "
            "Received: a generator. Pass arrays, a tf.data.Dataset or a "
            "`keras.utils.Sequence`."
        )

    def facts(self, plan: Plan, again: Again) -> Facts:
        if plan.steps_per_epoch is None:
            raise ValueError(
                "A search trains several times, and a generator can be read once. "
                f"Received: a generator. {_FUNCTION} An endless generator needs "
                "`steps_per_epoch`."
            )
        return Facts(
            plan.steps_per_epoch,
            None,
            repeatable=False,
            note="`dataset` is a generator, which continues from training to training: "
            "this search can be resumed, with other batches, but not repeated. "
            + _FUNCTION,
            advice=f"A search trains several times. {_FUNCTION}",
        )

    def reading(self, plan: Plan, again: Again) -> Reading:
        return Reading(lambda step: self._rest())

    def _rest(self) -> Iterator[Any]:
        while True:
            with self._lock:  # an abandoned iterator may still read
                batch = next(self._iterator, None)
            if batch is None:
                return
            yield self._standard(batch)
