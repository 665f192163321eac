"""Checks a finished search against itself: masks, weights, counts, checksums."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tf_lottery.core.advance import prune_ticket
from tf_lottery.core.errors import TicketError
from tf_lottery.core.io import PathLike
from tf_lottery.core.records import History, Round
from tf_lottery.core.ticket import Ticket
from tf_lottery.search.store import Store


def verify(path: PathLike) -> Iterator[str]:
    """Yields a line for each thing that holds, in a run directory.

    Every mask is derived again from the saved weights and compared; every array
    is read, which checks its checksum; pruned weights must be zero.

    Raises:
        TicketError: What does not hold, and where.
    """
    store = Store(path)
    history = store.history()
    if not len(history):
        raise TicketError(f"{path} holds no finished round.")
    before: Round | None = None
    for round in history:
        _check_ticket(round)
        _check_derived(before, round)
        before = round
        digest = round.ticket.masks.digest()[:12]
        yield (
            f"round {round.number:>2}: {round.ticket.masks.kept:,} weights, "
            f"masks {digest}, derived again and equal"
        )
    returned = store.path / "ticket.npz"
    if returned.exists():
        number = _check_returned(returned, history)
        yield f"ticket.npz: round {number}, masks and weights as in the search"


def _check_ticket(round: Round) -> None:
    if round.outcome.next_start:
        _, state = round.outcome.next_start
        for name in state:
            state[name]  # reading checks the checksum
    dataclasses.replace(round.ticket, outcome=round.outcome).verify()


def _check_returned(path: Path, history: History) -> int:
    ticket = Ticket.load(path)
    ticket.verify()
    if ticket.round >= len(history):
        raise TicketError(f"{path} is of round {ticket.round}, which is not there.")
    found = history[ticket.round].ticket
    if ticket.masks != found.masks:
        raise TicketError(f"{path} has other masks than round {ticket.round}.")
    for name, weights in found.weights.items():
        if not np.array_equal(ticket.weights[name], weights):
            raise TicketError(f"{path} starts from other weights in {name!r}.")
    return ticket.round


def _check_derived(before: Round | None, round: Round) -> None:
    if before is None:
        return
    assert before.ticket.plan is not None
    derived = prune_ticket(before.ticket, before.outcome, before.ticket.plan)
    if derived.masks != round.ticket.masks:
        raise TicketError(
            f"The masks of round {round.number} do not follow from the weights of "
            f"round {before.number}."
        )
