"""The data of a seed, and how far they were read.

The order of a dataset that shuffles depends on how many iterators it had before, so
what trainings read is counted, and what others read before is read again.
"""

import dataclasses
import hashlib
from typing import Any

import numpy as np

from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.bindings.tf_keras.checks.data import check_can_be_shared, check_fits
from tf_lottery.bindings.tf_keras.checks.values import check_values
from tf_lottery.bindings.tf_keras.data import feeding, repeatable
from tf_lottery.bindings.tf_keras.data import given as given_
from tf_lottery.bindings.tf_keras.data.arrays import unpacked
from tf_lottery.bindings.tf_keras.data.batched import Batched, Indexed
from tf_lottery.core.plan import Plan

Span = tuple[int, int]  # the steps at which a training began and ended


class Stream:
    """Training and evaluation data of a plan's seed.

    Args:
        given: What the user passed.
        plan: The seed, the batch size and the steps of an epoch.
        static: Whether batches must be of one size.

    Attributes:
        data: The data in one form.
        feed: The batches of training.
        evaluated: Validation and test data, by the prefix of their metrics.
        counted: How many batches there are, if they had to be counted.
    """

    def __init__(self, given: given_.Given, plan: Plan, static: bool) -> None:
        self._given = given
        self._static = static
        self._read: list[Span] = []
        self._skipped: list[Span] = []
        self.data, self.counted = given.resolved(plan), None
        if given_.is_of_unknown_length(train := self.data.train):
            train = given_.of_known_length(train, plan)
            self.data = dataclasses.replace(self.data, train=train)
            length = int(train.cardinality())
            self.counted = length if plan.steps_per_epoch is None else None
        self.feed = feeding.feed(self.data.train, plan, static, given.class_weight)
        self.evaluated = feeding.evaluated(self.data, plan, static)

    def inputs(self) -> Any:
        """The inputs of the first batch, if it can be read at no cost; else None."""
        train = self.data.train
        if given_.is_arrays(train):
            batch = next(iter(self.feed.make(0)))
        elif isinstance(train, Batched):
            batch = train.first
        elif repeatable.leaves_no_trace(train):
            batch = next(iter(train.take(1)))
        else:
            return None
        inputs, _, _ = unpacked(batch)
        return inputs

    def of(self, plan: Plan) -> "Stream":
        """The data of another plan, from their beginning.

        Raises:
            ValueError: They differ in more than their values.
        """
        other = Stream(self._given.of(self.data), plan, self._static)
        if not given_.is_function(self._given.train):  # there is only one of it
            other._read, other._skipped = self._read, self._skipped
        mine, theirs = self.feed, other.feed
        if (theirs.spec, theirs.steps_per_epoch) != (mine.spec, mine.steps_per_epoch):
            raise ValueError(
                "`dataset(seed)` must return batches of one kind and number for every "
                f"seed. Received: {theirs.steps_per_epoch} of {theirs.spec} for seed "
                f"{plan.seed}, {mine.steps_per_epoch} of {mine.spec} before."
            )
        return other

    def reordered(self, plan: Plan) -> "Stream":
        """The same examples in the order of another plan's seed.

        Raises:
            ValueError: A function of the seed that splits the data by it.
        """
        if not given_.is_function(self._given.train):
            return self.of(plan)
        train = self.data.train
        if given_.is_arrays(train) or isinstance(train, Indexed):  # ordered by the plan
            same = given_.Given(
                train,
                self.data.validation,
                self.data.test,
                self._given.class_weight,
            )
            return Stream(same, plan, self._static)
        other = self.of(plan)
        if _contents(other.evaluated["val"]) != _contents(self.evaluated["val"]):
            raise ValueError(
                "Copies must differ in the order of their data alone. Received: a "
                "function of the seed whose validation data differ by seed. Split the "
                "data under a seed of its own."
            )
        return other

    @property
    def facts(self) -> dict[str, dict[str, Any]]:
        """What is known of the data, for `plan.json`."""
        facts = feeding.describe(self.data, self.feed, self.evaluated)
        facts["dataset"] |= self._given.facts()
        return facts

    @property
    def note(self) -> str:
        """What the form of the data means for repeating and resuming."""
        return repeatable.note(self.data.train, self.counted)

    def check(self, model: Any, have_traced: bool = False) -> None:
        """Raises unless all data fit the compiled model.

        Args:
            model: The compiled model.
            have_traced: Whether its steps of training and evaluation were traced.

        Raises:
            TypeError, ValueError: Data that it cannot be trained or evaluated on.
        """
        parts = {"dataset": (self.data.train, self.feed.example_spec)}
        sources = {"val": self.data.validation, "test": self.data.test}
        for name, dataset in self.evaluated.items():
            parts[given_.ARGUMENTS[name]] = sources[name], dataset.element_spec
        for name, (part, spec) in parts.items():
            is_batched = not given_.is_arrays(part)
            check_fits(model, spec, name, is_batched=is_batched, traced=have_traced)
            if not isinstance(part, tf.data.Dataset):
                check_can_be_shared(model, spec, name)
        for name, (part, _) in parts.items():
            check_values(model, part, name)

    @property
    def passes(self) -> int:
        """How many passes came before, where their order depends on it; else 0."""
        return self.feed.passes(self._read)

    def skip(self, span: Span) -> None:
        """Takes note of a training that was done by another process."""
        self._skipped.append(span)
        self._read.append(span)

    def read(self, span: Span) -> None:
        """Takes note of a training that was done."""
        self._read.append(span)

    def missed(self, start: int, done: int) -> list[Span]:
        """What must be read before a training goes on, once.

        Args:
            start: The step at which the training began.
            done: The step up to which another process did it.
        """
        missed = [*self._skipped, (start, done)]
        self._skipped.clear()
        return missed


def _contents(dataset: Any) -> str:
    """A hash of the examples, in any order."""
    digest = 0
    for batch in dataset.unbatch().as_numpy_iterator():
        parts = b"".join(np.asarray(a).tobytes() for a in tf.nest.flatten(batch))
        digest ^= int.from_bytes(hashlib.sha256(parts).digest(), "big")
    return f"{digest:x}"
