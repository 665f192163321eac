"""Checks a finished search against itself: masks, weights, counts, checksums."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from tf_lottery.core.archive import PathLike
from tf_lottery.core.callables import name_of
from tf_lottery.core.choices import CONTROLS
from tf_lottery.core.errors import TicketError
from tf_lottery.core.history import Round
from tf_lottery.core.next_ticket import prune_ticket
from tf_lottery.run_dir.gaps import gaps
from tf_lottery.run_dir.names import TICKET, Place
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
        plan = control.ticket.plan if control.control in CONTROLS else None
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
