"""Batches that Python code makes, and how a training reads them."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tf_lottery.core.plan import Plan
from tf_lottery.core.words import warn

# Calls the function that returned data, if one did.
Again = Callable[[], Any] | None
# Makes a batch of arrays of what Python code gives.
Standard = Callable[[Any], Any]

NOT_REPEATED = (
    "`dataset` shuffles or draws, and continues from training to training: this search "
    "can be resumed but not repeated. To repeat it, pass a function of the seed, `def "
    "dataset(seed):`, that makes it with that seed."
)

# After so many batches or seconds, and ten times as many, a warning says the count.
_LONG = 100_000
_SECONDS = 5.0


@dataclass(frozen=True)
class Reading:
    """How a training reads a source.

    Attributes:
        from_step: The batches from a step on, to the end of its pass.
        begin_pass: Called before each pass.
        replayed: The length of a pass, if its order depends on the passes before.
    """

    from_step: Callable[[int], Iterator[Any]]
    begin_pass: Callable[[], None] = lambda: None
    replayed: int | None = None


@dataclass(frozen=True)
class Facts:
    """What a feed says of a source, see `FeedBase`."""

    steps_per_epoch: int
    pass_length: int | None
    repeatable: bool = True
    note: str = ""
    is_promised: bool = False
    advice: str = ""


class Source:
    """Batches of arrays that Python code makes.

    Attributes:
        first: The first batch.
        has_read_first: Whether that is what the data give, and not a stand-in.
        length: How many batches there are, where that is known.
        is_endless: Whether it is known that they never end.
        reads_ahead: Whether batches may be made before they are needed.
    """

    first: Any
    length: int | None = None
    has_read_first = True
    is_endless = False
    reads_ahead = False

    def facts(self, plan: Plan, again: Again) -> Facts:
        """What a feed of training batches says."""
        raise NotImplementedError

    def reading(self, plan: Plan, again: Again) -> Reading:
        """How one training reads the batches."""
        raise NotImplementedError

    def in_order(self) -> Iterator[Any]:
        """All batches, for an evaluation."""
        raise NotImplementedError

    def check_read_again(self) -> None:
        """Raises a ValueError if the batches can be read once only."""

    def check_evaluated(self, name: str) -> None:
        """Raises a ValueError if they are no validation or test data, of this name.

        Where nobody knows how many they are, they are counted once: if they never end,
        a warning says so, before anything is trained.
        """
        self.check_read_again()
        check_has_end(name, self.length == 0, self.is_endless)
        if self.length is None:
            count(self.in_order(), name, "data that end")


def count(
    batches: Iterable[Any], name: str = "dataset", advice: str = "`steps_per_epoch`"
) -> int:
    """How many batches there are."""
    number, began = 0, time.monotonic()
    most, longest = _LONG, _SECONDS
    for number, _ in enumerate(batches, 1):
        if number >= most or time.monotonic() - began >= longest:
            most, longest = 10 * most, 10 * longest
            warn(
                f"The batches of `{name}` are counted before the first training: "
                f"{number:,} so far. If it is endless, stop, and pass {advice}."
            )
    return number


def check_ends(length: int | None, plan: Plan) -> None:
    """Raises if neither data of that length nor the plan say when an epoch ends."""
    if length is None and plan.steps_per_epoch is None:
        raise ValueError(
            "An endless dataset needs `steps_per_epoch`, or it never ends an epoch. "
            "Received: steps_per_epoch=None."
        )


def check_has_end(name: str, is_empty: bool, is_endless: bool) -> None:
    """Raises unless data to evaluate on have a batch and an end."""
    if is_empty or is_endless:
        found = "an empty dataset" if is_empty else "an endless one"
        raise ValueError(
            f"`{name}` must have at least one batch, and an end. Received: {found}."
        )


def first_of(batches: Iterable[Any]) -> Any:
    """The first batch; there must be one."""
    for batch in batches:
        return batch
    raise ValueError(
        "`dataset` must have at least one batch. Received: a generator that is empty."
    )
