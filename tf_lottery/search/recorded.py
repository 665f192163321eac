"""A trainer that writes down what it does, and does nothing twice."""

from typing import TYPE_CHECKING, Any

from tf_lottery.core.errors import TicketError
from tf_lottery.core.plan import Plan
from tf_lottery.core.records import Outcome, State
from tf_lottery.core.ticket import Ticket
from tf_lottery.search.identity import Identity
from tf_lottery.search.progress import Progress
from tf_lottery.search.replicate import Replicate
from tf_lottery.training.run import Checkpoint

if TYPE_CHECKING:
    from tf_lottery.training.trainer import Trainer


class Recorded:
    """Trains through the directory of a replicate: a search on it resumes by itself.

    Args:
        trainer: What trains; that of the replicate.
        store: Where outcomes are read and written; arrays then load from there.
        progress: What shows the user how it goes.
        identity: What gives trainings their keys.
    """

    def __init__(
        self,
        trainer: "Trainer",
        store: Replicate,
        progress: Progress,
        identity: Identity,
    ) -> None:
        self._trainer = trainer
        self._store = store
        self._progress = progress
        self._identity = identity

    def dense(self) -> Ticket:
        """The dense ticket; that of the run directory, if there is one."""
        plan: Plan = self._trainer.plan
        passed = self._trainer.dense()
        stored = self._store.dense(plan)
        if stored is None:
            self._store.save_ticket(passed)
            stored = self._store.dense(plan)
            assert stored is not None
        elif not _equal(stored, passed):
            self._progress.say(
                "The initial weights are those of the run directory; the model that "
                "was passed has others."
            )
        self._trainer.start_from(stored)
        return stored

    def draw(self, seed: int) -> State:
        """A fresh initial state, see `Trainer.draw`."""
        return self._trainer.draw(seed)

    def train(
        self, ticket: Ticket, *, control: str | None = None, draw: int = 0
    ) -> Outcome:
        """The outcome in the run directory, else that of training the ticket."""
        which: Any = (control, draw)
        if self._store.has_outcome(ticket.round, *which):
            outcome = self._store.outcome(ticket, *which)
            self._trainer.skip(ticket, outcome)
            return outcome
        if ticket.round > 0:
            self._store.save_ticket(ticket, *which)
        key = self._key(ticket)
        path = self._store.directory(ticket.round, *which) / "checkpoint.npz"
        with self._progress.training(ticket, control) as report:
            checkpoint = Checkpoint(path, ticket.masks)
            if step := checkpoint.step:
                self._progress.say(f"Round {ticket.round} goes on from step {step:,}.")
            outcome = self._trainer.train(
                ticket, control=control, checkpoint=checkpoint, report=report
            )
            stored = self._store.save_outcome(ticket, outcome, control, draw, key)
            checkpoint.remove()
        return stored

    def _key(self, ticket: Ticket) -> str:
        trainer = self._trainer
        rewinds = ticket.step < trainer.rewind_step
        keeps = trainer.rewind_step if rewinds else None
        if trainer.plan.retrain == "fine_tune":
            keeps = -1  # the state at the end
        return self._identity.key(ticket, trainer.plan, keeps, trainer.passes)


def _equal(stored: Ticket, passed: Ticket) -> bool:
    if stored.masks != passed.masks:
        raise TicketError("The run directory holds a ticket of another model.")
    weights = (name for name in passed.state if ":" not in name)
    return all((stored.state[name] == passed.state[name]).all() for name in weights)
