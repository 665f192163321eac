"""Training batches that can be opened at any step, whatever form the data came in."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.core.kept import kept

_PROMISED = re.compile(r"expected to contain (\d+) elements but contained (.*?)elem")


@dataclass(frozen=True)
class Feed:
    """The training batches of a seed.

    Attributes:
        steps_per_epoch: Optimizer steps per epoch.
        pass_length: Steps until an iterator ends; None if it never does.
        spec: The element spec of a batch.
        example_spec: The spec of the first batch, which may say more than `spec`.
        begin: Begins the data of a training.
        repeatable: Whether each training gets the same batches, in each process.
        counted: How many batches a pass has, if they had to be counted.
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
    counted: int | None = None
    is_promised: bool = False
    advice: str = ""

    ended: ClassVar = (
        tf.errors.OutOfRangeError,
        tf.errors.FailedPreconditionError,
        StopIteration,
    )

    def missing(self, error: BaseException, step: int, what: str) -> Exception | None:
        """See `parts.Feed.missing`."""
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
        """Raises unless a pass whose length was promised is at its end."""
        if not self.is_promised:
            return
        try:
            found: Any = batches
            goes_on = bool(found.get_next_as_optional().has_value())
        except tf.errors.FailedPreconditionError as error:
            if not _PROMISED.search(str(error)):
                raise
            goes_on = True
        if goes_on:
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
    """

    def __init__(
        self,
        make: Callable[[int], Any],
        begin_pass: Callable[[], None] = lambda: None,
    ) -> None:
        self._make = make
        self._begin_pass = begin_pass

    def open(self, step: int) -> Iterator[Any]:
        """An iterator whose first batch is that of `step`."""
        self._begin_pass()
        strategy = tf.distribute.get_strategy()
        dataset = strategy.experimental_distribute_dataset(self._make(step))
        batches: Iterator[Any] = iter(dataset)
        return batches


class Passes(Batches):
    """Batches whose order depends on how many passes were opened before."""

    def __init__(
        self,
        make: Callable[[int], Any],
        length: int,
        begin_pass: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(make, begin_pass)
        self._length = length
        self._opened = 0

    def open(self, step: int) -> Iterator[Any]:
        """An iterator whose first batch is that of `step`, after the passes before."""
        while self._opened < step // self._length:
            self._opened += 1
            self._begin_pass()
            iter(self._make(0))
        self._opened += 1
        return super().open(step)


def shared_by_batch(dataset: Any) -> Any:
    """The dataset, with each batch divided among the workers."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    return dataset.with_options(options)
