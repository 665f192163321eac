"""A trainer that writes down what it does, and does nothing twice."""

from typing import TYPE_CHECKING

from tf_lottery.core.errors import TicketError
from tf_lottery.core.plan import Plan
from tf_lottery.core.records import Outcome
from tf_lottery.core.ticket import Ticket
from tf_lottery.search.progress import Progress
from tf_lottery.search.store import Store
from tf_lottery.training.run import Checkpoint

if TYPE_CHECKING:
    from tf_lottery.training.trainer import Trainer


class Recorded:
    """Trains through a run directory: a search on it resumes by itself.

    Args:
        trainer: What trains.
        store: Where outcomes are read and written; arrays then load from there.
        progress: What shows the user how it goes.
    """

    def __init__(self, trainer: "Trainer", store: Store, progress: Progress) -> None:
        self._trainer = trainer
        self._store = store
        self._progress = progress

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

    def train(self, ticket: Ticket) -> Outcome:
        """The outcome in the run directory, else that of training the ticket."""
        if self._store.has_outcome(ticket.round):
            outcome = self._store.outcome(ticket)
            self._trainer.skip(ticket, outcome)
            return outcome
        if ticket.round > 0:
            self._store.save_ticket(ticket)
        path = self._store.round_dir(ticket.round) / "checkpoint.npz"
        with self._progress.training(ticket) as report:
            checkpoint = Checkpoint(path, ticket.masks)
            if step := checkpoint.step:
                self._progress.say(f"Round {ticket.round} goes on from step {step:,}.")
            outcome = self._trainer.train(ticket, checkpoint=checkpoint, report=report)
            stored = self._store.save_outcome(ticket, outcome)
            checkpoint.remove()
        return stored


def _equal(stored: Ticket, passed: Ticket) -> bool:
    if stored.masks != passed.masks:
        raise TicketError("The run directory holds a ticket of another model.")
    weights = (name for name in passed.state if ":" not in name)
    return all((stored.state[name] == passed.state[name]).all() for name in weights)
