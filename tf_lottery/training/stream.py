"""The data of a seed, and how far they were read.

The order of a dataset that shuffles depends on how many iterators it had before, so
what trainings read is counted, and what others read before is read again.
"""

from typing import Any

from tf_lottery.core.plan import Plan
from tf_lottery.core.seeds import derive
from tf_lottery.training import data
from tf_lottery.training.seeds import seeded

Span = tuple[int, int]  # the steps at which a training began and ended


class Stream:
    """Training and evaluation data of a plan's seed.

    Args:
        given: What the user passed: training, validation and test data.
        plan: The seed, the batch size and the steps of an epoch.
        static: Whether batches must be of one size.

    Attributes:
        data: The data in one form.
        feed: The batches of training.
        evaluated: Validation and test data, by the prefix of their metrics.
    """

    def __init__(self, given: tuple[Any, Any, Any], plan: Plan, static: bool) -> None:
        self._given = given
        self._static = static
        self._read: list[Span] = []
        self._skipped: list[Span] = []
        with seeded(derive(plan.seed, "data")):
            self.data = data.resolve(*given, plan)
        self.feed = data.feed(self.data.train, plan, static)
        self.evaluated = data.evaluated(self.data, plan, static)

    def of(self, plan: Plan) -> "Stream":
        """The data of another plan, from their beginning.

        Raises:
            ValueError: They differ in more than their values.
        """
        other = Stream(self._given, plan, self._static)
        if not data.is_function(self._given[0]):  # there is only one of it
            other._read, other._skipped = self._read, self._skipped
        mine, theirs = self.feed, other.feed
        if (theirs.spec, theirs.steps_per_epoch) != (mine.spec, mine.steps_per_epoch):
            raise ValueError(
                "`dataset(seed)` must return batches of one kind and number for every "
                f"seed. Received: {theirs.steps_per_epoch} of {theirs.spec} for seed "
                f"{plan.seed}, {mine.steps_per_epoch} of {mine.spec} before."
            )
        return other

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
