"""A ticket for another model: which masks and weights it takes."""

from collections.abc import Iterable, Sequence

from tf_lottery.bindings.shared.live import LiveBase
from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks
from tf_lottery.core.naming import matches
from tf_lottery.core.ticket import Ticket
from tf_lottery.core.words import warn


def check_arguments(ticket: object, weights: object) -> None:
    """Raises unless there is a ticket, and it is said whose weights are taken."""
    if not isinstance(ticket, Ticket):
        raise TypeError(
            f"`ticket` must be a Ticket. Received: {type(ticket).__name__}."
        )
    if not isinstance(weights, bool):
        raise ValueError(
            "`weights` must be True, for the ticket's starting weights, or False, for "
            f"the model's own. Received: weights={weights!r}."
        )


def check_same_layers(ticket: Ticket, live: LiveBase) -> None:
    """Raises if the model of a criterion lacks a weight that the ticket masks."""
    if ticket.masks.keys() - live.weights.keys():
        raise ValueError(
            "`gradient` needs the model that is searched, with the same names of "
            f"layers. Received: {', '.join(live.shapes)} for the ticket's "
            f"{', '.join(ticket.masks)}."
        )


def taken_masks(
    ticket: Ticket, live: LiveBase, skip: Sequence[str], *, weights: bool
) -> Masks:
    """The masks that a model takes; it gets the ticket's weights, too, on request."""
    skipped = _skipped([skip] if isinstance(skip, str) else skip, ticket, live)
    taken = [path for path in ticket.masks if path not in skipped]
    _check_masks(ticket, live, taken)
    _warn("masks", "stay dense", live.shapes.keys() - skipped - set(taken))
    if weights:
        _take_weights(ticket, live, skipped)
    return Masks(
        dict(Masks.full(live.shapes)) | {path: ticket.masks[path] for path in taken}
    )


def _skipped(skip: Sequence[str], ticket: Ticket, live: LiveBase) -> set[str]:
    """The weights of the ticket and the model that `skip` names."""
    names = {*ticket.masks, *live.weights}
    unmatched = [key for key in skip if not any(matches(key, n) for n in names)]
    if unmatched:
        raise ValueError(
            "`skip` must name layers of the ticket or the model. Received: "
            f"{_quoted(unmatched)}, which match none of {_quoted(sorted(names))}."
        )
    skipped = {name for name in names if any(matches(key, name) for key in skip)}
    if skipped.issuperset(ticket.masks):
        raise ValueError(
            "`skip` must leave a mask to transfer. Received: "
            f"skip={list(skip)!r}, masks for {_quoted(ticket.masks)}."
        )
    return skipped


def _check_masks(ticket: Ticket, live: LiveBase, taken: Iterable[str]) -> None:
    """Raises unless the model has a prunable weight for each mask."""
    shapes, theirs = ticket.masks.shapes, live.shapes
    wrong = [path for path in taken if theirs.get(path) != shapes[path]]
    if wrong:
        differs = "; ".join(
            f"{path!r} has shape {shapes[path]}, the model's {theirs[path]}"
            if path in theirs
            else f"{path!r} is not a prunable weight of the model"
            for path in wrong
        )
        raise TicketError(
            f"This ticket was found on another model: {differs}. Give layers the same "
            f"names, or leave these out with skip={wrong!r}."
        )


def _take_weights(ticket: Ticket, live: LiveBase, skipped: set[str]) -> None:
    """Gives the model the ticket's weights where names and shapes agree."""
    weights = live.read_weights()
    taken = {
        name: ticket.state[name]
        for name in weights
        if name in ticket.state
        and name not in skipped
        and ticket.state[name].shape == weights[name].shape
    }
    own = weights.keys() - taken.keys() - skipped
    _warn("weights of that shape", "keep the model's", own)
    # Under full masks: what the ticket removes keeps its starting value, too.
    live.assign({**weights, **taken}, Masks.full(live.shapes))


def _warn(what: str, why: str, names: Iterable[str]) -> None:
    if names := sorted(names):
        warn(
            f"The ticket has no {what} for {_quoted(names)}, which {why}. If this is "
            "intended, name the layers in `skip`."
        )


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
