"""Checks a finished search against itself: masks, weights, counts, checksums."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tf_lottery.core.advance import check_masks, prune_ticket
from tf_lottery.core.controls import NAMES
from tf_lottery.core.errors import TicketError
from tf_lottery.core.io import PathLike
from tf_lottery.core.named import name_of
from tf_lottery.core.records import History, Round
from tf_lottery.core.ticket import Ticket
from tf_lottery.search.store import Store


def verify(path: PathLike, *, run_code: bool = False) -> Iterator[str]:
    """Yields a line for each thing that holds, in a run directory.

    Every mask is derived again from the saved weights and compared; every array
    is read, which checks its checksum; pruned weights must be zero.

    Args:
        path: The run directory.
        run_code: Whether a criterion that is not ours, which the directory names by its
            module, is imported and called. Else its masks are checked for being nested
            and of the planned size, but not derived again.

    Raises:
        TicketError: What does not hold, and where.
    """
    store = Store(path)
    history = store.history()
    if not len(history):
        raise TicketError(f"{path} holds no finished round.")
    for rounds in history.replicates:
        before: Round | None = None
        for round in rounds:
            _check_ticket(round)
            derived = _check_derived(before, round, run_code)
            before = round
            digest = round.ticket.masks.digest()[:12]
            several = len(history.replicates) > 1
            of = f"replicate {round.replicate}  " if several else ""
            yield (
                f"{of}round {round.number:>2}: {round.ticket.masks.kept:,} weights, "
                f"masks {digest}, {derived}"
            )
    for control in history.controls:
        # How sparse one of the user's own is, no plan says.
        plan = control.ticket.plan if control.control in NAMES else None
        ticket = dataclasses.replace(control.ticket, plan=plan)
        _check_ticket(dataclasses.replace(control, ticket=ticket))
    if history.controls:
        yield f"controls: {len(history.controls)}, whole"
    returned = store.path / "ticket.safetensors"
    if returned.exists():
        number = _check_returned(returned, history)
        yield f"ticket.safetensors: round {number}, masks and weights as in the search"


def _check_ticket(round: Round) -> None:
    if round.outcome.next_start:
        _, state = round.outcome.next_start
        for name in state:
            state[name]  # reading checks the checksum
    dataclasses.replace(round.ticket, outcome=round.outcome).verify()


def _check_returned(path: Path, history: History) -> int:
    ticket = Ticket.load(path)
    ticket.verify()
    rounds = [r for rounds in history.replicates for r in rounds]
    of_number = [r for r in rounds if r.number == ticket.round]
    if not of_number:
        raise TicketError(f"{path} is of round {ticket.round}, which is not there.")
    found = [r for r in of_number if r.ticket.masks == ticket.masks]
    if not found:
        raise TicketError(f"{path} has other masks than round {ticket.round}.")
    # Of a replicate: dense networks have equal masks.
    differing = [_differing(ticket, round.ticket) for round in found]
    if all(differing):
        raise TicketError(f"{path} starts from other weights in {differing[0]!r}.")
    return ticket.round


def _differing(ticket: Ticket, found: Ticket) -> str:
    """The path of a weight that the tickets start from differently; else empty."""
    weights = found.weights.items()
    differ = (n for n, w in weights if not np.array_equal(ticket.weights[n], w))
    return next(differ, "")


def _check_derived(before: Round | None, round: Round, run_code: bool) -> str:
    """Raises unless masks follow from the round before; returns what was checked."""
    if before is None:
        return "derived again and equal"
    plan = before.ticket.plan
    assert plan is not None
    if not run_code and not isinstance(plan.criterion, str):
        check_masks(round.ticket.masks, before.ticket.masks, round.number, plan)
        return (
            f"not derived again: {name_of(plan.criterion)!r} is not a criterion of "
            "tf_lottery (`--run_code` runs it)"
        )
    derived = prune_ticket(before.ticket, before.outcome, plan)
    if derived.masks != round.ticket.masks:
        raise TicketError(
            f"The masks of round {round.number} do not follow from the weights of "
            f"round {before.number}."
        )
    return "derived again and equal"
