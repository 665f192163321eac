"""Trainings side by side in one program: whether they can be, and how many."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from tf_lottery.core.plan import Plan
from tf_lottery.training.prepared import Prepared
from tf_lottery.training.session import Session

_Made = TypeVar("_Made")
_GAIN = 1.2  # how much faster a training must become
_MOST = 64  # more gain little, and take long to compile


class Together(NamedTuple):
    """How many trainings share a program, at most.

    Attributes:
        number: The number.
        why: Why it is this number, in words; empty if nothing was chosen.
    """

    number: int
    why: str = ""


class SideBySide:
    """Trains tickets of one model in one program, which a GPU does in less time."""

    def __init__(self, prepared: Prepared, session: Session) -> None:
        self._prepared, self._session = prepared, session

    @property
    def _lanes(self) -> Any:
        return self._prepared.searched.lanes

    def check(self) -> None:
        """Raises if the plan asks for what cannot be."""
        asked = self._session.plan.together
        if asked not in ("auto", 1) and (lacks := self._lacks()):
            raise ValueError(
                f'`together` must be 1 or "auto", {lacks}. Received: together={asked}.'
            )

    def chosen(
        self,
        stored: tuple[str | int, int] | None = None,
        shares: bool = False,
        searches: int | None = None,
    ) -> Together:
        """How many trainings share a program; "auto" may measure it.

        `stored` is what a search that is continued asked for, and its number. `shares`
        says whether the search takes trainings from others. If whole `searches` are to
        share a program, it is how many there are.
        """
        self.check()
        plan, asked = self._session.plan, self._session.plan.together
        if stored is not None and asked in ("auto", *stored):
            return self._continued(stored[1])
        if asked == 1:
            return Together(1)
        if asked != "auto":
            return self._fitting(int(asked))
        number = searches or max(plan.replicates, number_of_controls(plan))
        if number == 1 or self._lanes is None:
            return Together(1)
        if why := self._unwanted(shares) or self._lacks():
            return Together(1, f"Trainings run one after another, {why}.")
        return self._measured(min(number, self._lanes.most(), _MOST))

    def is_of_model_of(self, other: "SideBySide") -> bool:
        """Whether both train one compiled model, and so can share a program."""
        return self._prepared is other._prepared

    def run(self, tasks: Iterable[Iterator[_Made]], number: int) -> Iterator[_Made]:
        """Yields what tasks yield: iterators that train, so many side by side."""
        if number == 1:
            for task in tasks:
                yield from task
        else:
            yield from self._lanes.run(tasks, number)

    def devices_in_words(self, number: int) -> str:
        """Which devices train, so many trainings side by side."""
        found = self._prepared.devices.in_words()
        if number > 1 and self._lanes.devices > 1:
            found += f", trainings divided among {self._lanes.devices}"
        return found

    def _continued(self, number: int) -> Together:
        """The number of a search that goes on, even where fewer would fit now."""
        if number > 1 and (lacks := self._lacks()):
            raise ValueError(
                f"The search that is continued trains {number} tickets in one "
                f"program, which this call cannot, {lacks}."
            )
        return Together(number)

    def _fitting(self, number: int) -> Together:
        """As many as asked for, or as fit."""
        most = self._lanes.most()
        if number <= most:
            return Together(number)
        return Together(
            most,
            f"Up to {most} trainings share a program, as no more fit on the device.",
        )

    def _measured(self, number: int) -> Together:
        """As many as asked for, or one, whichever is faster."""
        data = self._session.data
        errors = self._prepared.searched.engine.errors
        cannot: tuple[type[BaseException], ...] = (NotImplementedError, *errors)
        try:
            one, all_ = (self._lanes.seconds(data, each) for each in (1, number))
        except cannot as error:  # no room, or a step that cannot be batched
            why = f"{type(error).__name__} when {number} shared a program"
            return Together(1, f"Trainings run one after another: {why}.")
        gain = number * one / all_
        times = (
            f"a step of one takes {1e3 * one:.2f} ms, of {number} {1e3 * all_:.2f} ms"
        )
        if gain < _GAIN:
            return Together(1, f"Trainings run one after another: {times}.")
        return Together(number, f"Up to {number} trainings run side by side: {times}.")

    def _unwanted(self, shares: bool) -> str:
        """Why "auto" need not measure, nor copy rows to see whether they fit."""
        if self._prepared.devices.on_cpu:
            return "as a CPU gains nothing by training them side by side"
        if shares:  # what is measured may differ from search to search
            return "as searches share only trainings of one number, which you can set"
        return ""

    def _lacks(self) -> str:
        """Why trainings cannot share a program; empty if they can."""
        prepared, plan, data = self._prepared, self._session.plan, self._session.data
        if self._lanes is None:
            return "as only Keras 3 compiles them together, on one JAX device each"
        if callable(prepared.callbacks) or prepared.callbacks:
            return "as callbacks see one training"
        if data.is_function and plan.replicates > 1:
            return "as the data are a function of the seed"
        if not self._lanes.fits(data):
            return "as the data are not arrays that fit on the device"
        return ""


def number_of_controls(plan: Plan) -> int:
    """How many controls all replicates of a plan have."""
    return plan.count() - plan.replicates * (plan.rounds + 1)
