"""Checks a search against itself: what is missing, and what does not hold."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from tf_lottery.core.archive import PathLike
from tf_lottery.core.callables import name_of
from tf_lottery.core.choices import CONTROLS as BUILT_IN
from tf_lottery.core.errors import TicketError
from tf_lottery.core.history import Round
from tf_lottery.core.next_ticket import prune_ticket
from tf_lottery.core.plan import Plan
from tf_lottery.run_dir.names import (
    CONTROLS,
    METRICS,
    PLAN,
    TICKET,
    Place,
    is_trained,
    numbered,
)
from tf_lottery.run_dir.replicate_dir import ReplicateDir
from tf_lottery.run_dir.returned import check_returned
from tf_lottery.run_dir.run_dir import RunDir


def verify(path: PathLike, run_code: bool = False) -> Iterator[str]:
    """Yields a line for each thing that holds, in a run directory.

    Every mask is derived from the saved weights again and compared. Every array is
    read, which checks its checksum. Pruned weights must be zero.

    Args:
        path: The run directory.
        run_code: Whether the user's own criterion may be imported, by its name in
            plan.json. That runs its code: allow it only if you trust it. Otherwise
            masks that such a criterion decided are not derived again.

    Raises:
        TicketError: Something does not hold; it says what, and where.
    """
    run_dir = RunDir(path)
    history = run_dir.trainings()
    missing = gaps(run_dir, history.plan)
    if not len(history):
        raise TicketError(missing[0] if missing else f"{path} holds no finished round.")
    criterion = history.plan.criterion
    foreign = "" if isinstance(criterion, str) or run_code else name_of(criterion)
    derived = equal = "derived again and equal"
    if foreign:
        derived = (
            f"nested, with the planned number of weights; the criterion {foreign!r} is "
            "the user's code: pass `run_code=True` (`--run_code`) to derive them again"
        )
    for rounds in history.replicates:
        before: Round | None = None
        for round in rounds:
            replicate_dir = run_dir.replicate_dir(round.replicate)
            directory = replicate_dir.directory(Place(round.number))
            _check_ticket(round, directory)
            if before is not None:
                _check_masks(before, round, directory, derive=not foreign)
            masks, several = round.ticket.masks, len(history.replicates) > 1
            of = f"replicate {round.replicate}  " if several else ""
            yield (
                f"{of}round {round.number:>2}: {masks.kept:,} weights, "
                f"masks {masks.digest()[:12]}, {derived if before else equal}"
            )
            before = round
    for control in history.controls:
        # The plan does not say how sparse a control of the user is.
        plan = control.ticket.plan if control.control in BUILT_IN else None
        ticket = dataclasses.replace(control.ticket, plan=plan)
        place = Place(control.number, control.control, control.draw)
        directory = run_dir.replicate_dir(control.replicate).directory(place)
        _check_ticket(dataclasses.replace(control, ticket=ticket), directory)
    if history.controls:
        yield f"controls: {len(history.controls)}, whole"
    if missing:
        raise TicketError(missing[0])
    returned = run_dir.path / TICKET
    if returned.exists() or returned.is_symlink():
        number = check_returned(returned, history)
        yield f"{TICKET}: round {number}, masks and weights as in the search"


def _check_ticket(round: Round, directory: Path) -> None:
    if round.outcome.next_start:
        _, state = round.outcome.next_start
        for name in state:
            state[name]  # reading checks the checksum
    try:
        round.trained.verify()
    except TicketError as error:
        if str(directory) in str(error):
            raise
        raise TicketError(f"{directory}: {error}") from error


def _check_masks(before: Round, round: Round, directory: Path, *, derive: bool) -> None:
    masks, plan = round.ticket.masks, before.ticket.plan
    assert plan is not None
    if not masks.issubset(before.ticket.masks):
        raise TicketError(
            f"{directory}: masks of round {round.number} do not follow from those of "
            f"round {before.number}: a removed weight came back."
        )
    if not derive:
        return
    derived = prune_ticket(before.ticket, before.outcome, plan)
    if derived.masks != masks:
        raise TicketError(
            f"{directory}: masks of round {round.number} do not follow from the "
            f"weights of round {before.number}."
        )


def gaps(run_dir: RunDir, plan: Plan) -> list[str]:
    """For each replicate with a gap, a sentence about its first missing training.

    The last trainings are looked at first: a search that runs meanwhile finishes them
    last, and so is not taken for one with a gap.
    """
    found = run_dir.settled(lambda: _gaps(run_dir, plan))
    return found if (run_dir.path / PLAN).exists() else []  # it is being removed


def _gaps(run_dir: RunDir, plan: Plan) -> list[str]:
    found: list[str] = []
    is_followed = False
    for number, path in reversed(numbered(run_dir.path, "replicate").items()):
        if number < plan.replicates:
            replicate_dir = run_dir.replicate_dir(number)
            last = _last_round(replicate_dir)
            places = map(Place, range(last + 1))
            missing = (each for each in places if not replicate_dir.has_outcome(each))
            if first := next(missing, None):
                directory = replicate_dir.directory(first)
                found.insert(0, _sentence(directory, path, last))
            is_followed = is_followed or last >= 0
    path = run_dir.replicate_dir(0).path
    if is_followed and not path.is_dir():
        found.insert(0, f"{path} is missing. The same call trains it again.")
    return found


def _last_round(directory: ReplicateDir) -> int:
    """The last round that is finished or has a finished control; -1 if none is."""
    rounds = numbered(directory.path, "round")
    # The last one first, see `gaps`.
    finished = [n for n in reversed(rounds) if directory.has_outcome(Place(n))]
    for path in directory.path.glob(f"{CONTROLS}/*"):
        for number, controlled in numbered(path, "round").items():
            draws = numbered(controlled, "draw").values()
            if any((draw / METRICS).exists() for draw in draws):
                finished.append(number)
    return max(finished, default=-1)


def _sentence(missing: Path, replicate: Path, last: int) -> str:
    there = f"{replicate.name} has finished trainings up to round {last}"
    what = "is not finished" if missing.is_dir() else "is missing"
    said = f"{missing} {what}, although {there}: what follows from it is not shown."
    first = replicate / "round_00"
    if not (first / TICKET).exists() and is_trained(replicate):
        return (
            f"{said} Its rounds were trained from the initial weights in "
            f"{first / TICKET}: put that file back, or start again with "
            "`overwrite=True` (`--overwrite`)."
        )
    return (
        f"{said} The same call trains it again. If that gives the same weights, as it "
        "does on a CPU, the later trainings stay; else the call says what to remove."
    )
