"""A trainer that writes down what it does, and does nothing twice."""

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_lottery.core.errors import TicketError
from tf_lottery.core.history import Round
from tf_lottery.core.outcome import Outcome, State
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import Ticket
from tf_lottery.core.warn import warn
from tf_lottery.run_dir.cache import Shared, link
from tf_lottery.run_dir.keys import Identity
from tf_lottery.run_dir.names import CHECKPOINT
from tf_lottery.run_dir.replicate_dir import Replicate
from tf_lottery.search.progress import Progress
from tf_lottery.training.checkpoint import Checkpoint

if TYPE_CHECKING:
    from tf_lottery.training.trainer import Trainer


# What reading a checkpoint that is damaged, or removed just now, raises.
_GONE = (OSError, TicketError)


class Recorded:
    """Trains through the directory of a replicate: a search on it resumes by itself.

    Args:
        trainer: What trains; that of the replicate.
        store: Where outcomes are read and written; arrays then load from there.
        progress: What shows the user how it goes.
        identity: What gives trainings their keys.
        shared: Where trainings of other searches are.
    """

    def __init__(
        self,
        trainer: "Trainer",
        store: Replicate,
        progress: Progress,
        identity: Identity,
        shared: Shared | None = None,
    ) -> None:
        self._trainer = trainer
        self._store = store
        self._progress = progress
        self._identity = identity
        self._shared = shared

    def dense(self) -> Ticket:
        """The dense ticket; that of the run directory, if there is one."""
        plan: Plan = self._trainer.plan
        passed = self._trainer.dense()
        stored = self._store.dense(plan)
        if stored is None:
            self._store.save_ticket(passed)
            stored = self._store.dense(plan)
            assert stored is not None
        elif names := _differing(stored, passed):
            warn(
                "The search continues from the initial weights, and the values of the "
                "optimizer, in its run directory. The model that was passed has others "
                f"in {', '.join(map(repr, names[:3]))}{', ...' if names[3:] else ''}, "
                "which are not used. To start from these, pass another `run_dir`, or "
                "`overwrite=True`."
            )
        self._trainer.dense(stored.state)
        return stored

    @property
    def steps(self) -> int:
        """The last step of a training."""
        return self._trainer.lengths.last

    @property
    def is_alone(self) -> bool:
        """Whether one process trains, which can go on after an error."""
        return self._trainer.workers.count == 1

    def draw(self, seed: int) -> State:
        """A fresh initial state, see `Trainer.draw`."""
        return self._trainer.draw(seed)

    def finished(self, round: Round, control: str, draw: int) -> Round | None:
        """A control in the run directory, if it is finished there."""
        store, plan = self._store, self._trainer.plan
        which: Any = (round.number, control, draw)
        if not store.has_outcome(*which) or not store.has_ticket(*which):
            return None  # a ticket that is missing is made again
        found = store.control(plan, round, control, draw)
        self._passed(found.ticket, found.outcome, control, draw)
        return found

    def train(
        self, ticket: Ticket, *, control: str | None = None, draw: int = 0
    ) -> Outcome:
        """The outcome in the run directory, else that of training the ticket."""
        which: Any = (control, draw)
        if self._store.has_outcome(ticket.round, *which):
            self._store.restore_ticket(ticket, *which)
            outcome = self._store.outcome(ticket, *which)
            if control is None and not self._has_start(ticket, outcome, control):
                directory = self._store.directory(ticket.round, *which)
                raise TicketError(
                    f"{directory} has not the state that later tickets start from. "
                    "Remove it to train it again."
                )
            self._passed(ticket, outcome, *which)
            return outcome
        if ticket.round > 0 or control is not None:
            self._store.save_ticket(ticket, *which)
        trainer = self._trainer
        key = self._identity.key(ticket, trainer.plan)
        if self._shared is None or trainer.facts["unknown"]:
            return self._trained(ticket, key, *which)
        waits = f"{_named(ticket, control)} waits for another search that trains it."
        with self._shared.alone(key, lambda: self._progress.say(waits)):
            return self._taken(ticket, key, *which) or self._trained(
                ticket, key, *which
            )

    def _trained(
        self, ticket: Ticket, key: str, control: str | None, draw: int
    ) -> Outcome:
        """The outcome of training, from where it was stopped."""
        with self._progress.training(ticket, control) as report:
            course = self._course(ticket)
            checkpoint = self._checkpoint(ticket, control, draw, course)
            checkpoint.forget_unusable(ticket.state)
            where = "" if checkpoint.step else self._extended(ticket, course)
            if step := checkpoint.step:
                what = _named(ticket, control)
                self._progress.say(f"{what} goes on from step {step:,}{where}.")
            outcome = self._trainer.train(
                ticket, control=control, checkpoint=checkpoint, report=report
            )
            known = None if self._trainer.facts["unknown"] else key
            stored = self._store.save_outcome(ticket, outcome, control, draw, known)
            checkpoint.finish()
        return stored

    def _extended(self, ticket: Ticket, course: str) -> str:
        """Takes the end of the longest shorter training; returns which in words."""
        if self._shared is None or not self._is_extensible(ticket):
            return ""
        start = self._start(ticket, None)
        found: list[tuple[int, Checkpoint]] = []
        for path in self._shared.checkpoints():
            shorter = Checkpoint(path, ticket.masks, course)
            with contextlib.suppress(*_GONE):
                if shorter.extends(start, self.steps):
                    found.append((shorter.step, shorter))
        for _, longest in sorted(found, key=lambda each: -each[0]):
            with contextlib.suppress(*_GONE):
                longest.check()
                link(longest.files(), self._store.directory(ticket.round))
                return f", where {longest.path.parent} ended"
        return ""

    def _taken(
        self, ticket: Ticket, key: str, control: str | None, draw: int
    ) -> Outcome | None:
        """The outcome of an equal training of another search."""
        assert self._shared
        trainer, store = self._trainer, self._store
        for source in self._shared.of(key):
            try:
                outcome = store.shared_outcome(ticket, source, control, draw)
            except TicketError:
                continue  # damaged, and trained here instead
            if outcome.last_step != trainer.lengths.last:
                continue  # it was stopped early
            told = f"{_named(ticket, control)} is shared: it was found in {source}."
            if self._has_start(ticket, outcome, control):
                self._progress.say(told)
                outcome = store.share_outcome(ticket, source, control, draw)
                return outcome
            if self._can_replay(ticket, control):
                self._progress.say(told)
                outcome = self._with_start(ticket, outcome, control)
                return store.save_outcome(ticket, outcome, control, draw, key)
        return None

    def _can_replay(self, ticket: Ticket, control: str | None) -> bool:
        """Whether what an outcome lacks for later tickets can be had again."""
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
        """Whether an outcome has just what later tickets start from."""
        found = outcome.next_start and outcome.next_start[0]
        if control is None and self._trainer.plan.retrain == "fine_tune":
            return found is not None
        return found == self._start(ticket, control)

    def _passed(
        self, ticket: Ticket, outcome: Outcome, control: str | None, draw: int
    ) -> None:
        """Takes note of a training that is in the run directory."""
        # It may have been killed between the outcome and this.
        self._checkpoint(ticket, control, draw).finish()

    def _checkpoint(
        self, ticket: Ticket, control: str | None, draw: int, key: str | None = None
    ) -> Checkpoint:
        path = self._store.directory(ticket.round, control, draw) / CHECKPOINT
        stays = self._is_extensible(ticket)
        return Checkpoint(path, ticket.masks, key, stays=stays)

    def _course(self, ticket: Ticket) -> str:
        return self._identity.course(ticket, self._trainer.plan)

    def _is_extensible(self, ticket: Ticket) -> bool:
        """Whether longer trainings can go on from the end of this one.

        Later tickets depend on where the training before them ended.
        """
        known = self._shared is not None and not self._trainer.facts["unknown"]
        return known and ticket.round == 0


def _named(ticket: Ticket, control: str | None) -> str:
    return f"{control or 'round'} {ticket.round}"


def _differing(stored: Ticket, passed: Ticket) -> list[str]:
    """The names of what two dense tickets start from differently."""
    if stored.masks != passed.masks:
        raise TicketError("The run directory holds a ticket of another model.")
    one, other = stored.state, passed.state
    # Random generators are of the seed, which the plan has.
    names = [name for name in {**other, **one} if not name.startswith("random:")]
    return [
        name
        for name in names
        if name not in one
        or name not in other
        or not np.array_equal(one[name], other[name])
    ]
