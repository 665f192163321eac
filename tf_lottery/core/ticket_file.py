"""The file of a ticket: its content, and the checks when it is read."""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_lottery.core.archive import Archive, PathLike, save
from tf_lottery.core.errors import TicketError
from tf_lottery.core.outcome import Outcome, State
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket_checks import check_masks

if TYPE_CHECKING:
    from tf_lottery.core.ticket import Ticket

_KIND = "ticket"


def write(
    path: PathLike,
    ticket: "Ticket",
    *,
    overwrite: bool,
    outcome: Outcome | None = None,
    rows: Sequence[Mapping[str, Any]] = (),
    won: bool = False,
    reason: str = "",
) -> None:
    """Writes a ticket, and what a search found out about it; see `Ticket.save`."""
    check_masks("The ticket", ticket.masks)
    if not overwrite and Path(path).exists():
        raise FileExistsError(f"{path} exists. Pass `overwrite=True` to replace it.")
    # Masked weights over the state; a chain reads one array at a time.
    state: State = ChainMap(ticket.weights, ticket.state)  # type: ignore[arg-type]
    groups = {"state": state}
    if outcome:
        groups |= {"best": outcome.best_weights, "final": outcome.weights}
    header = {
        "kind": _KIND,
        "step": ticket.step,
        "round": ticket.round,
        "plan": ticket.plan.to_json() if ticket.plan else None,
        "architecture": ticket.architecture,
        "outcome": outcome.record() if outcome else None,
        "rows": list(rows),
        "won": won,
        "reason": reason,
        "masks_digest": ticket.masks.digest(),
    }
    save(path, groups, header, ticket.masks)


def read(path: PathLike) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of `Ticket` in a file and, if it has an outcome, of `FoundTicket`.

    Raises:
        TicketError: The file is damaged, or is not the file of a ticket.
    """
    archive = Archive(path)
    if archive.header.get("kind") != _KIND:
        raise TicketError(
            f"{path} is not a ticket. A search writes the one that it returns as "
            "`ticket.safetensors` in its run directory."
        )
    masks = archive.masks
    check_masks(path, masks)
    try:
        _check_header(archive.header)
        ticket, found = _ticket(archive), _found(archive)
        digest = archive.header["masks_digest"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TicketError(
            f"{path} is damaged, or of another version of tf_lottery: {error!r}."
        ) from error
    if masks.digest() != digest:
        raise TicketError(f"{path} is damaged: the digest of its masks differs.")
    return {"masks": masks, **ticket}, found


def _check_header(header: Mapping[str, Any]) -> None:
    for name in ("step", "round"):
        if type(header[name]) is not int or not 0 <= header[name] < 2**63:
            raise ValueError(f"`{name}` is {header[name]!r:.80}")
    for name, kind in (("won", bool), ("reason", str), ("rows", list)):
        if type(header[name]) is not kind:
            raise ValueError(f"`{name}` is {header[name]!r:.80}")
    if not all(isinstance(row, dict) for row in header["rows"]):
        raise ValueError("`rows` must hold objects only")
    if not isinstance(header["architecture"], dict | None):
        raise ValueError("`architecture` must be an object or null")


def _ticket(archive: Archive) -> dict[str, Any]:
    plan = archive.header["plan"]
    return {
        "state": archive.group("state"),
        "plan": Plan.from_json(plan) if plan else None,
        **{name: archive.header[name] for name in ("step", "round", "architecture")},
    }


def _found(archive: Archive) -> dict[str, Any]:
    header = archive.header
    if header["outcome"] is None:
        return {}
    outcome = Outcome.of_record(
        header["outcome"],
        weights=archive.group("final"),
        best_weights=archive.group("best"),
    )
    return {
        "outcome": outcome,
        "rows": tuple(header["rows"]),
        "won": header["won"],
        "reason": header["reason"],
    }
