"""Compares the ticket that a search returned with the trainings of the search.

`check_known` is cheap, as it reads no weights; `check_returned` reads all of them.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tf_lottery.core.errors import TicketError
from tf_lottery.core.history import History, Round
from tf_lottery.core.outcome import Weights
from tf_lottery.core.ticket import FoundTicket
from tf_lottery.run_dir.sealed import digest, missing
from tf_lottery.verdict.judge import judge

# A later call may change these: what was trained before stays as it is.
_LATER = ("rounds", "controls", "control_rounds", "control_replicates", "together")
_JUDGEMENT = ("monitor", "mode", "tolerance")
_WEIGHTS = ("weights", "best_weights")
_PLACE = ("replicate", "round", "control", "draw")
_AGAIN = (
    "Put back what the search wrote. If only this file is wrong, remove it: the same "
    "call writes it again."
)


def check_known(path: Path, history: History) -> bool:
    """Whether all trainings that the ticket in a file knows are in the history.

    Compares the figures, masks, and checksums of the weights that are in both; what
    differs is a `TicketError`.
    """
    try:
        ticket = FoundTicket.load(path)
    except FileNotFoundError:
        return True
    except TicketError as error:
        raise TicketError(f"{error} {_AGAIN}") from error
    unknown = _check_figures(path, ticket, history)
    if not unknown:
        _check_round(path, ticket, history, _with_other_checksums)
    return not unknown


def check_returned(path: Path, history: History) -> int:
    """The round of the ticket in a file, if all that it holds is as in the search."""
    try:
        ticket = FoundTicket.load(path)
        ticket.verify()
    except FileNotFoundError as error:
        raise missing(path) from error
    round = _check_round(path, ticket, history, _differing)
    if unknown := _check_figures(path, ticket, history):
        raise TicketError(
            f"{path} has other figures than the search, which has no training of "
            f"{_in_words(unknown[0])}."
        )
    _check_verdict(path, ticket, round, history)
    return ticket.round


def _check_figures(
    path: Path, ticket: FoundTicket, history: History
) -> list[Mapping[str, Any]]:
    """The rows of a ticket that the history lacks; raises if another one differs."""
    known = {_which(row): row for row in history.rows()}
    for row in ticket.rows:
        if _which(row) in known and digest(known[_which(row)]) != digest(row):
            raise TicketError(
                f"{path} has other figures of {_in_words(row)} than the search: the "
                f"ticket or that training belongs to another search. {_AGAIN}"
            )
    return [row for row in ticket.rows if _which(row) not in known]


def _check_round(
    path: Path,
    ticket: FoundTicket,
    history: History,
    differing: Callable[[FoundTicket, Round], str],
) -> Round:
    """The round that a ticket is of; raises if all rounds of its number differ."""
    rounds = itertools.chain(*history.replicates)
    of_number = [round for round in rounds if round.number == ticket.round]
    if not of_number:
        raise TicketError(f"{path} is of round {ticket.round}, which is missing.")
    found = [round for round in of_number if round.ticket.masks == ticket.masks]
    # Dense networks of several replicates have equal masks.
    differs = [differing(ticket, round) for round in found]
    if all(differs):
        what = differs[0] if differs else "other masks"
        raise TicketError(f"{path} has {what} than round {ticket.round}. {_AGAIN}")
    return found[differs.index("")]


def _with_other_checksums(ticket: FoundTicket, round: Round) -> str:
    for kind in _WEIGHTS:
        ours, theirs = (getattr(of.outcome, kind) for of in (ticket, round))
        if ours.entries != theirs.entries:  # both were read from files
            return f"other {kind.replace('_', ' ')}"
    return ""


def _differing(ticket: FoundTicket, round: Round) -> str:
    """In words, the first difference between a ticket and a round; empty if none."""
    theirs, plan = round.ticket, round.ticket.plan
    if ticket.step != theirs.step:
        return f"another first step, {ticket.step:,},"
    if name := _unequal(ticket.weights, theirs.weights):
        return f"other starting weights in {name!r}"
    if name := _unequal(ticket.state, theirs.state, theirs.masks):
        return f"another starting state in {name!r}"
    if ticket.architecture != theirs.architecture:
        return "another model"
    if ticket.plan and plan and (names := ticket.plan.differences(plan)):
        return f"another plan, in `{names[0]}`,"
    for kind in _WEIGHTS:
        one, other = (getattr(of.outcome, kind) for of in (ticket, round))
        if name := _unequal(one, other):
            return f"other {kind.replace('_', ' ')} in {name!r}"
    same = digest(ticket.outcome.record()) == digest(round.outcome.record())
    return "" if same else "other metrics or curves"


def _check_verdict(
    path: Path, ticket: FoundTicket, round: Round, history: History
) -> None:
    """Raises unless plan and verdict are those of the search.

    A later call may have trained more, which the ticket does not know of yet.
    """
    if not ticket.rows:
        return  # the ticket has no figures to compare
    is_complete = len(history.trainings()) == history.plan.count()
    if is_complete and ticket.plan != round.ticket.plan:
        raise TicketError(
            f"{path} belongs to another plan than the search. If a call with another "
            "plan was stopped at its very end, repeat the call."
        )
    plan = ticket.plan
    if plan is None or any(
        getattr(plan, name) != getattr(history.plan, name) for name in _JUDGEMENT
    ):
        return  # it was judged by other rules
    verdict = judge(_then(ticket, history))
    of = history.replicates[verdict.replicate][verdict.chosen]
    found = verdict.won, verdict.reason, of.ticket.masks
    if (ticket.won, ticket.reason, ticket.masks) != found:
        raise TicketError(
            f"{path} must hold what the search found. Received: {ticket.reason!r}, "
            f"and not {verdict.reason!r}."
        )


def _then(ticket: FoundTicket, history: History) -> History:
    """The history as far as the rows of a ticket go."""
    rows = {_which(row) for row in ticket.rows}

    def known(rounds: Iterable[Round]) -> tuple[Round, ...]:
        return tuple(each for each in rounds if _which(each.row()) in rows)

    replicates = [known(rounds) for rounds in history.replicates]
    while len(replicates) > 1 and not replicates[-1]:
        del replicates[-1]
    later = {name: getattr(ticket.plan, name) for name in _LATER}
    plan = dataclasses.replace(history.plan, **later, replicates=len(replicates))
    return dataclasses.replace(
        history,
        replicates=tuple(replicates),
        controls=known(history.controls),
        plan=plan,
    )


def _which(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(repr(row.get(name)) for name in _PLACE)


def _in_words(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {row[name]!r:.40}" for name in _PLACE if name in row)


def _unequal(one: Weights, other: Weights, masks: Iterable[str] = ()) -> str:
    """The path of the first array that differs between two mappings; empty if none.

    The paths of `masks` are left out: the file of a ticket has no removed weights.
    """
    for path in dict.fromkeys([*one, *other]):
        is_known = path in one and path in other
        if path not in masks and not (
            is_known and np.array_equal(one[path], other[path])
        ):
            return path
    return ""
