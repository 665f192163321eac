"""Checks a finished search against itself: masks, weights, counts, checksums."""

import dataclasses
from collections.abc import Iterator

from tf_lottery.core.advance import prune_ticket
from tf_lottery.core.errors import TicketError
from tf_lottery.core.io import PathLike
from tf_lottery.core.records import Round
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
        ticket = Ticket.load(returned)
        ticket.verify()
        if ticket.masks != history[ticket.round].ticket.masks:
            raise TicketError(f"{returned} has other masks than round {ticket.round}.")
        yield f"ticket.npz: round {ticket.round}, masks and weights as in the search"


def _check_ticket(round: Round) -> None:
    for state in round.outcome.states.values():
        for name in state:
            state[name]  # reading checks the checksum
    dataclasses.replace(round.ticket, outcome=round.outcome).verify()


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
