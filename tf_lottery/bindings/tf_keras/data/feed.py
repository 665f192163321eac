"""One feed of batches for training, whatever form the data came in.

A feed knows how many batches an epoch has and opens an iterator at any step.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tf_lottery.bindings.tf_keras._imports import tf


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Feed:
    """Training batches that can be opened at any step.

    Attributes:
        steps_per_epoch: Optimizer steps an epoch.
        pass_length: Steps until an iterator ends; None if it never does.
        spec: The element spec of a batch.
        make: From a step to a dataset whose first batch is that of the step.
        ordered_by_step: Whether `make` gives the same batches for the same step;
            a dataset of the user's has an order of its own for each iterator.
        example: The spec of the first batch, where it says more than `spec`.
        begin: Called before each pass.
        is_promised: Whether the length of a pass was counted or promised, so that
            other passes have to be held against it.
        advice: What to do if a pass ends early.
    """

    steps_per_epoch: int
    pass_length: int | None
    spec: Any
    make: Callable[[int], Any]
    ordered_by_step: bool
    example: Any = None
    begin: Callable[[], None] = _nothing
    is_promised: bool = False
    advice: str = ""

    @property
    def example_spec(self) -> Any:
        """What is known of the shapes of a batch."""
        return self.spec if self.example is None else self.example

    def open(self, step: int) -> Iterator[Any]:
        """An iterator whose first batch is that of `step`."""
        self.begin()
        strategy = tf.distribute.get_strategy()
        dataset = strategy.experimental_distribute_dataset(self.make(step))
        batches: Iterator[Any] = iter(dataset)
        return batches

    def pass_start(self, start: int, step: int) -> int:
        """The step at which a training from `start` opened its iterator of `step`."""
        if self.ordered_by_step or self.pass_length is None:
            return start
        return max(start, step - step % self.pass_length)

    def forward(self, trainings: Iterable[tuple[int, int]]) -> None:
        """Takes what earlier trainings took, so that a seeded shuffle goes on.

        Args:
            trainings: The steps at which each began and ended.
        """
        for _ in range(self.passes(trainings)):
            self.begin()
            iter(self.make(0))

    def passes(self, trainings: Iterable[tuple[int, int]]) -> int:
        """How many iterators trainings open, where the order depends on it; else 0."""
        length = self.pass_length
        if self.ordered_by_step or length is None:
            return 0
        return sum(
            (stop - 1) // length - start // length + 1
            for start, stop in trainings
            if stop > start
        )


def shared_by_batch(dataset: Any) -> Any:
    """The dataset, of whose batches each worker takes its part."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    return dataset.with_options(options)
