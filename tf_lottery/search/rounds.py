"""The search: train, prune, rewind, repeat (section 1 of the paper)."""

from collections.abc import Iterator
from typing import Protocol

from tf_lottery.core.history import Round
from tf_lottery.core.next_ticket import exhausted, prune_ticket
from tf_lottery.core.outcome import Outcome
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import Ticket
from tf_lottery.core.words import warn


class Trains(Protocol):
    """What the rounds need of a trainer; in a search it is a `Recorded`."""

    def dense(self) -> Ticket:
        """The ticket of round 0."""

    def train(self, ticket: Ticket) -> Outcome:
        """The outcome of training the ticket."""


def run_rounds(trainer: Trains, plan: Plan) -> Iterator[Round]:
    """Yields the rounds of a search, from the dense one to the sparsest.

    To stop the search, stop iterating. It ends early, with a warning, if a round
    would remove no weight, or all weights of a layer.

    Example:
        ```python
        for round in run_rounds(trainer, plan):
            if round.ticket.density < 0.1:
                break
        ```
    """
    ticket = trainer.dense()
    for number in range(plan.rounds + 1):
        outcome = trainer.train(ticket)
        yield Round(number, ticket, outcome)
        if number < plan.rounds:
            sparser = prune_ticket(ticket, outcome, plan)
            if reason := exhausted(ticket.masks, sparser.masks):
                warn(f"The search ended: round {number + 1} would {reason}.")
                return
            ticket = sparser
