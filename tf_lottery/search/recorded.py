"""A trainer that writes what it does to disk, and trains nothing twice."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from tf_lottery.core.errors import TicketError
from tf_lottery.core.history import Round
from tf_lottery.core.outcome import Outcome, State
from tf_lottery.core.plan import Plan
from tf_lottery.core.steps import Lengths
from tf_lottery.core.ticket import Ticket
from tf_lottery.core.words import warn
from tf_lottery.run_dir.cache import Cache
from tf_lottery.run_dir.keys import Keys
from tf_lottery.run_dir.names import CHECKPOINT
from tf_lottery.run_dir.replicate_dir import ReplicateDir
from tf_lottery.search.progress import Progress
from tf_lottery.training.checkpoint import Checkpoint

if TYPE_CHECKING:
    from tf_lottery.training.trainer import Trainer


class Recorded:
    """Trains and writes each outcome to disk; what is there is read instead.

    A search that uses it resumes without further code.

    Args:
        trainer: The trainer of the replicate.
        replicate_dir: Where outcomes are written and read; their arrays load lazily.
        progress: Shows the user how the search is going.
        keys: Gives trainings their keys.
        cache: The trainings that searches share; None: nothing is shared.
    """

    def __init__(
        self,
        trainer: "Trainer",
        replicate_dir: ReplicateDir,
        progress: Progress,
        keys: Keys,
        cache: Cache | None = None,
    ) -> None:
        self._trainer = trainer
        self._dir = replicate_dir
        self._progress = progress
        self._keys = keys
        self._cache = None if trainer.facts["unknown"] else cache

    def dense(self) -> Ticket:
        """The dense ticket; if the run directory has one, that one."""
        plan: Plan = self._trainer.plan
        passed = self._trainer.dense()
        stored = self._dir.dense(plan)
        if stored is None:
            self._dir.save_ticket(passed)
            stored = self._dir.dense(plan)
            assert stored is not None
        elif names := _differing(stored, passed):
            warn(
                "The search continues with the initial weights, and the values of the "
                "optimizer, in its run directory. Those of the model that was passed "
                f"differ in {', '.join(map(repr, names[:3]))}"
                f"{', ...' if names[3:] else ''} and are not used. To start from "
                "these, pass another `run_dir`, or `overwrite=True`."
            )
        self._trainer.dense(stored.state)
        return stored

    @property
    def lengths(self) -> Lengths:
        """The steps of trainings, see `Trainer.lengths`."""
        return self._trainer.lengths

    @property
    def is_alone(self) -> bool:
        """Whether only one process trains; it can go on after an error."""
        return self._trainer.workers.count == 1

    def draw(self, seed: int) -> State:
        """A fresh initial state, see `Trainer.draw`."""
        return self._trainer.draw(seed)

    def finished(self, round: Round, control: str, draw: int) -> Round | None:
        """A control in the run directory, if it is finished there."""
        plan = self._trainer.plan
        which = (round.number, control, draw)
        if not self._dir.has_outcome(*which) or not self._dir.has_ticket(*which):
            return None  # a missing ticket is made again
        found = self._dir.control(plan, round, control, draw)
        self._passed(found.ticket, found.outcome, control, draw)
        return found

    def train(
        self, ticket: Ticket, *, control: str | None = None, draw: int = 0
    ) -> Outcome:
        """The outcome in the run directory, or else that of training the ticket."""
        if self._dir.has_outcome(ticket.round, control, draw):
            return self._found(ticket, control, draw)
        if ticket.round > 0 or control is not None:
            self._dir.save_ticket(ticket, control, draw)
        key = self._key(ticket)
        if self._cache is None:
            return self._trained(ticket, key, control, draw)
        waits = f"{_named(ticket, control)} waits: another search trains it now."
        with self._cache.alone(key, lambda: self._progress.say(waits)):
            if taken := self._taken(ticket, key, control, draw):
                return taken
            outcome = self._trained(ticket, key, control, draw)
            directory = self._dir.directory(ticket.round, control, draw)
            self._cache.publish(key, directory)
            return outcome

    def _found(self, ticket: Ticket, control: str | None, draw: int) -> Outcome:
        """The outcome in the run directory."""
        self._dir.restore_ticket(ticket, control, draw)
        outcome = self._dir.outcome(ticket, control, draw)
        if control is None and not self._has_start(ticket, outcome, control):
            raise TicketError(
                f"{self._dir.directory(ticket.round)} does not hold the state that "
                "later tickets start from. Remove it to train the round again."
            )
        self._passed(ticket, outcome, control, draw)
        return outcome

    def _trained(
        self, ticket: Ticket, key: str, control: str | None, draw: int
    ) -> Outcome:
        """The outcome of training, from the checkpoint if there is one."""
        with self._progress.training(ticket, control) as report:
            checkpoint = self._checkpoint(ticket, control, draw, key)
            checkpoint.forget_unusable(ticket.state)
            if step := checkpoint.step:
                what = _named(ticket, control)
                self._progress.say(f"{what} continues from step {step:,}.")
            outcome = self._trainer.train(
                ticket, control=control, checkpoint=checkpoint, report=report
            )
            known = None if self._trainer.facts["unknown"] else key
            stored = self._dir.save_outcome(ticket, outcome, control, draw, known)
            checkpoint.finish()
        return stored

    def _taken(
        self, ticket: Ticket, key: str, control: str | None, draw: int
    ) -> Outcome | None:
        """The outcome of an equal training of another search, if it is of use here."""
        assert self._cache
        trainer = self._trainer
        source = self._cache.directory(key)
        if not source.exists():
            return None
        try:
            outcome = self._dir.cached_outcome(ticket, source, key, control, draw)
        except TicketError:
            return None  # it is damaged, and trained here instead
        has_start = self._has_start(ticket, outcome, control)
        # A training that was stopped early has another last step.
        if outcome.last_step != trainer.lengths.last or not (
            has_start or self._can_replay(ticket, control)
        ):
            return None
        self._progress.say(f"{_named(ticket, control)} is shared: it is in {source}.")
        if has_start:
            return self._dir.link_outcome(ticket, outcome, source, control, draw, key)
        outcome = self._with_start(ticket, outcome, control)
        return self._dir.save_outcome(ticket, outcome, control, draw, key)

    def _can_replay(self, ticket: Ticket, control: str | None) -> bool:
        """Whether the state that an outcome lacks can be made again."""
        if control is None and self._trainer.plan.retrain == "fine_tune":
            return False  # the state at the end
        return self._start(ticket, control) is None or self._trainer.facts["repeats"]

    def _with_start(
        self, ticket: Ticket, outcome: Outcome, control: str | None
    ) -> Outcome:
        """The outcome with the state that later tickets of this search start from."""
        step = self._start(ticket, control)
        if step is None:
            return dataclasses.replace(outcome, next_start=None)
        start = step, self._trainer.state_at(ticket, step)
        return dataclasses.replace(outcome, next_start=start)

    def _start(self, ticket: Ticket, control: str | None) -> int | None:
        """The step that later tickets start from, if this training passes it."""
        step = self._trainer.lengths.rewind
        is_rewound = self._trainer.plan.retrain == "rewind"
        passes = control is None and is_rewound and ticket.step < step
        return step if passes else None

    def _has_start(self, ticket: Ticket, outcome: Outcome, control: str | None) -> bool:
        """Whether an outcome has the state that later tickets start from."""
        found = outcome.next_start and outcome.next_start[0]
        if control is None and self._trainer.plan.retrain == "fine_tune":
            return found is not None
        return found == self._start(ticket, control)

    def _passed(
        self, ticket: Ticket, outcome: Outcome, control: str | None, draw: int
    ) -> None:
        """Takes note of a training that was found in the run directory."""
        which = (ticket.round, control, draw)
        # A kill may have come between the outcome and this.
        self._checkpoint(ticket, control, draw).finish()
        if self._cache and (key := self._dir.key(*which)):
            self._cache.add(key, self._dir.directory(*which))

    def _checkpoint(
        self, ticket: Ticket, control: str | None, draw: int, key: str | None = None
    ) -> Checkpoint:
        path = self._dir.directory(ticket.round, control, draw) / CHECKPOINT
        return Checkpoint(path, ticket.masks, key)

    def _key(self, ticket: Ticket) -> str:
        return self._keys.key(ticket, self._trainer.plan)


def _named(ticket: Ticket, control: str | None) -> str:
    return f"{control or 'round'} {ticket.round}"


def _differing(stored: Ticket, passed: Ticket) -> list[str]:
    """The names of the arrays that differ between the states of two dense tickets."""
    if stored.masks != passed.masks:
        raise TicketError("The run directory holds a ticket of another model.")
    one, other = stored.state, passed.state
    # Random generators follow from the seed, which the plan has.
    names = [name for name in {**other, **one} if not name.startswith("random:")]
    return [
        name
        for name in names
        if name not in one
        or name not in other
        or not np.array_equal(one[name], other[name])
    ]
