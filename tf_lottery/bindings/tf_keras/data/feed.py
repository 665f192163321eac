"""Training batches that can be opened at any step, whatever form the data came in."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.data import arrays
from tf_lottery.core.kept import kept

# Calls the function that returned data, if one did.
Again = Callable[[], Any] | None

_PROMISED = re.compile(r"expected to contain (\d+) elements but contained (.*?)elem")


@dataclass(frozen=True)
class Feed:
    """The training batches of a seed, see `parts.Feed`.

    Attributes:
        begin: Begins the data of a training.
        is_promised: Whether the length of a pass was counted or promised; another
            length is then an error.
        advice: What to do if a pass ends early.
    """

    steps_per_epoch: int
    pass_length: int | None
    spec: Any
    example_spec: Any
    begin: "Callable[[], Batches]"
    repeatable: bool = True
    note: str = ""
    is_promised: bool = False
    advice: str = ""

    ended: ClassVar = (
        tf.errors.OutOfRangeError,
        tf.errors.FailedPreconditionError,
        StopIteration,
    )

    def missing(self, error: BaseException, step: int, what: str) -> Exception | None:
        promised = _PROMISED.search(str(error))
        is_end = isinstance(error, tf.errors.OutOfRangeError | StopIteration)
        if not (promised or is_end):
            return None
        if self.pass_length is None:
            return RuntimeError(
                "`dataset` must have a batch for each step of all trainings. Received: "
                f"one that ended in {what} at step {step:,}. {self.advice}{kept()}"
            )
        return self._other_length(step % self.pass_length, step, what)

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
            raise self._other_length(f"more than {self.pass_length}", step, what)

    def _other_length(self, received: Any, step: int, what: str) -> Exception:
        return RuntimeError(
            "`dataset` must have as many batches in each pass as were counted or "
            f"promised, {self.pass_length}. Received: {received} in a pass of {what}, "
            f"at step {step:,}. {self.advice}{kept()}"
        )


class Batches:
    """The batches of one training.

    Args:
        make: From a step to a dataset whose first batch is that of the step.
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
        strategy = tf.distribute.get_strategy()
        dataset = strategy.experimental_distribute_dataset(self._make(step))
        batches: Iterator[Any] = iter(dataset)
        return batches


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
    return keras.utils.pack_x_y_sample_weight(x, y, weights)
