"""Training batches that can be opened at any step, whatever form the data came in."""

import dataclasses
import functools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import numpy as np

from tf_lottery.bindings.shared import batches as shared
from tf_lottery.bindings.shared.feed import FeedBase
from tf_lottery.bindings.shared.source import Again, Reading, Source
from tf_lottery.bindings.tf_shared._imports import tf
from tf_lottery.bindings.tf_shared.data import arrays
from tf_lottery.bindings.tf_shared.data.releasing import released_aside
from tf_lottery.core.plan import Plan

# From a dataset of batches to one whose examples are weighted.
Weigh = Callable[[Any], Any]

_PROMISED = re.compile(r"expected to contain (\d+) elements but contained (.*?)elem")


class Feed(FeedBase):
    """The training batches of a seed, by `tf.data`."""

    ended: ClassVar = (
        tf.errors.OutOfRangeError,
        tf.errors.FailedPreconditionError,
        StopIteration,
    )

    def missing(self, error: BaseException, step: int, what: str) -> Exception | None:
        promised = _PROMISED.search(str(error))
        is_end = isinstance(error, tf.errors.OutOfRangeError | StopIteration)
        return self.ended_early(step, what) if promised or is_end else None

    def check_end(self, batches: Iterator[Any], step: int, what: str) -> None:
        if not self.is_promised:
            return
        try:
            found: Any = batches
            continues = bool(found.get_next_as_optional().has_value())
        except tf.errors.FailedPreconditionError as error:
            if not _PROMISED.search(str(error)):
                raise
            continues = True
        if continues:
            raise self.other_length(f"more than {self.pass_length}", step, what)


class Batches(shared.Batches):
    """The batches of one training, divided among the replicas of a strategy."""

    def _iterator(self, batches: Any) -> Iterator[Any]:
        strategy = tf.distribute.get_strategy()
        found: Iterator[Any] = iter(strategy.experimental_distribute_dataset(batches))
        released_aside(found)
        return found


def source_feed(source: Source, plan: Plan, weigh: Weigh, again: Again) -> Feed:
    """The feed of batches that Python code makes."""
    facts = source.facts(plan, again)

    def makes(reading: Reading) -> Callable[[int], Any]:
        @functools.cache
        def make(step: int) -> Any:
            found = dataset_of(lambda: reading.from_step(step), source.first)
            found = found.prefetch(2) if source.reads_ahead else found
            return shared_by_batch(weigh(found))

        return make

    read = source.reading(plan, None)
    always = makes(read)  # for trainings that need nothing of their own

    def begin() -> Batches:
        own = source.reading(plan, again)
        make = makes(own) if own.replayed else always
        return Batches(make, own.begin_pass, own.replayed)

    spec = always(0).element_spec
    example_spec = example_of(source.first, spec)
    return Feed(
        spec=spec, example_spec=example_spec, begin=begin, **dataclasses.asdict(facts)
    )


def evaluated_source(source: Source) -> Any:
    """The dataset of all batches that Python code makes."""
    source.check_read_again()
    found = dataset_of(source.in_order, source.first)
    if source.length is None:
        return found
    return found.apply(tf.data.experimental.assert_cardinality(source.length))


def shared_by_batch(dataset: Any) -> Any:
    """The dataset, with each batch divided among the workers."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    return dataset.with_options(options)


def standard(batch: Any) -> Any:
    """A batch of Python code as `fit` passes it on, strings as tensors."""

    def tensor(array: Any) -> Any:
        is_text = isinstance(array, np.ndarray) and array.dtype.kind in "OUS"
        return tf.convert_to_tensor(array) if is_text else array

    return tf.nest.map_structure(tensor, arrays.packed(batch))


def dataset_of(batches: Callable[[], Iterable[Any]], first: Any) -> Any:
    """A dataset of standard batches whose sizes may differ, as Keras takes them."""
    spec = tf.nest.map_structure(
        lambda part: tf.type_spec_from_value(part)._with_tensor_ranks_only(), first
    )
    found = tf.data.Dataset.from_generator(batches, output_signature=spec)
    options = tf.data.Options()
    options.experimental_optimization.inject_prefetch = False
    return found.with_options(options)


def example_of(first: Any, spec: Any) -> Any:
    """The spec of the first batch, of any number of rows, weighted as `spec` is."""
    rows = tf.data.Dataset.from_tensors(first).unbatch().batch(2).element_spec
    x, y, weights = arrays.unpacked(rows)
    if weights is None:
        weights = arrays.unpacked(spec)[2]
    return arrays.repacked(x, y, weights)
