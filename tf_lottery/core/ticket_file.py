"""The file of a ticket: its content, and the checks when it is read."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_lottery.core import fields
from tf_lottery.core.archive import Archive, PathLike, save
from tf_lottery.core.arrays import distinct
from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import Outcome, State, Weights
from tf_lottery.core.plan import Plan
from tf_lottery.core.spoiled import is_finite

if TYPE_CHECKING:
    from tf_lottery.core.ticket import Ticket

_KIND = "ticket"
_NOT_FOUND = {"rows": [], "won": False, "reason": "", "monitor": None}  # by a search
_HEADER = fields.record(
    {
        "step": fields.whole,
        "round": fields.whole,
        "plan": fields.optional(fields.mapping),
        "architecture": fields.optional(fields.mapping),
        "outcome": fields.optional(fields.mapping),
        "rows": fields.list_of(fields.mapping),
        "won": fields.boolean,
        "reason": fields.text,
        "masks_digest": fields.text,
    },
    {"monitor": fields.optional(fields.text)},  # files of before lack it
    others=fields.anything,
)


def write(
    path: PathLike,
    ticket: "Ticket",
    overwrite: bool,
    outcome: Outcome | None = None,
    found: Mapping[str, Any] = _NOT_FOUND,
) -> None:
    """Writes a ticket, and what a search found out about it; see `Ticket.save`."""
    check_masks("The ticket", ticket.masks)
    if not overwrite and Path(path).exists():
        raise FileExistsError(f"{path} exists. Pass `overwrite=True` to replace it.")
    groups: dict[str, State] = {"state": ticket.state}
    if outcome:
        groups |= {"best": outcome.best_weights, "final": outcome.weights}
    header = {
        "kind": _KIND,
        "step": ticket.step,
        "round": ticket.round,
        "plan": ticket.plan.to_json() if ticket.plan else None,
        "architecture": ticket.architecture,
        "outcome": outcome.record() if outcome else None,
        **found,
        "masks_digest": ticket.masks.digest(),
    }
    save(path, groups, header, ticket.masks, masked=("state",))


def read(path: PathLike) -> dict[str, Any]:
    """The fields of `Ticket` in a file and, if it has an outcome, of `FoundTicket`."""
    archive = Archive(path)
    if archive.header.get("kind") != _KIND:
        raise TicketError(
            f"{path} is not a ticket. A search writes the one that it returns as "
            "`ticket.safetensors` in its run directory."
        )
    masks = archive.masks
    check_masks(path, masks)
    try:
        values = _values(archive)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TicketError(
            f"{path} is damaged, or of another version of tf_lottery: {error!r}."
        ) from error
    if masks.digest() != archive.header["masks_digest"]:
        raise TicketError(f"{path} is damaged: the digest of its masks differs.")
    return {"masks": masks, **values}


def check_weights(kind: str, weights: Weights, masks: Masks) -> None:
    """Raises unless weights have the shapes of their masks and are finite."""
    for path, mask in masks.items():
        if path not in weights or weights[path].shape != mask.shape:
            raise TicketError(
                f"The ticket has a mask for {path!r}, but its {kind} have no array of "
                f"that path and shape, {mask.shape}."
            )
    for path in weights:
        if not is_finite(distinct(weights[path])):
            raise TicketError(f"The {kind} of {path!r} are not finite.")


def check_masks(what: object, masks: Masks) -> None:
    """Raises unless there are masks and none of them is empty."""
    empty = [path for path, shape in masks.shapes.items() if 0 in shape]
    if empty or not masks:
        found = f"an empty one for {empty[0]!r}" if empty else "none"
        raise TicketError(
            f"{what} must have a mask for each weight that is pruned. Received: "
            f"{found}. Use a ticket that a search returned."
        )


def _values(archive: Archive) -> dict[str, Any]:
    header = archive.header
    _HEADER("ticket", header)
    values = {name: header[name] for name in ("step", "round", "architecture")}
    values["state"] = archive.group("state")
    values["plan"] = Plan.from_json(header["plan"]) if header["plan"] else None
    if header["outcome"] is not None:
        final, best = archive.group("final"), archive.group("best")
        record = header["outcome"]
        values["outcome"] = Outcome.of_record(record, weights=final, best_weights=best)
        values["rows"] = tuple(header["rows"])
        values |= {name: header[name] for name in ("won", "reason")}
        values["monitor"] = header.get("monitor")
    return values
