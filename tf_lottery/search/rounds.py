"""The search: train, prune, rewind, repeat (section 1 of the paper)."""

import warnings
from collections.abc import Iterator
from typing import Protocol

from tf_lottery.core.advance import prune_ticket
from tf_lottery.core.masks import Masks
from tf_lottery.core.plan import Plan
from tf_lottery.core.records import Outcome, Round
from tf_lottery.core.ticket import Ticket


class Trains(Protocol):
    """What a search needs of a trainer."""

    def dense(self) -> Ticket:
        """The ticket of round 0."""

    def train(self, ticket: Ticket) -> Outcome:
        """What training the ticket gives."""


def run_rounds(trainer: Trains, plan: Plan) -> Iterator[Round]:
    """Yields the rounds of a search, from the dense one to the sparsest.

    Stop iterating to stop the search. It ends early, with a warning, when a
    round would remove nothing or empty a layer.

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
            if _is_exhausted(ticket.masks, sparser.masks, number + 1):
                return
            ticket = sparser


def _is_exhausted(before: Masks, after: Masks, number: int) -> bool:
    empty = [path for path, kept in after.kept_by_layer().items() if kept == 0]
    if empty:
        _warn_of_end(f"would leave no weight in {', '.join(map(repr, empty))}", number)
    elif after.kept == before.kept:
        layers = ", ".join(
            f"{p!r} ({k} left)" for p, k in after.kept_by_layer().items()
        )
        _warn_of_end(f"would remove no weight of {layers}", number)
    return bool(empty) or after.kept == before.kept


def _warn_of_end(why: str, number: int) -> None:
    warnings.warn(f"The search ended: round {number} {why}.", stacklevel=4)
