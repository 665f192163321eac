"""A ticket for another model: with another head, another optimizer, other data."""

from collections.abc import Iterable, Sequence
from typing import Any

from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.bindings.tf_keras.layers import finalize
from tf_lottery.bindings.tf_keras.live import Live
from tf_lottery.bindings.tf_keras.rebuilding.ticket_model import describe
from tf_lottery.bindings.tf_keras.tfmot.wrap import check_unwrapped, compile_like, wrap
from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks
from tf_lottery.core.naming import matches
from tf_lottery.core.ticket import Ticket
from tf_lottery.core.words import warn


def transfer(
    ticket: Ticket, model: Any, *, weights: bool, skip: Sequence[str]
) -> Ticket:
    """See `tf_lottery.transfer`."""
    _check_arguments(ticket, model, weights)
    wrapped = wrap(model, asked=ticket.masks)
    live = Live(wrapped)
    skipped = _skipped([skip] if isinstance(skip, str) else skip, ticket, live)
    taken = [path for path in ticket.masks if path not in skipped]
    _check_masks(ticket, live, taken)
    _warn("masks", "stay dense", live.shapes.keys() - skipped - set(taken))
    if weights:
        _take_weights(ticket, live, skipped)
        finalize(wrapped)
    if model.optimizer is not None:
        # Compiled after the weights are set: an average of them starts from these.
        compile_like(wrapped, model)
    masks = dict(Masks.full(live.shapes)) | {path: ticket.masks[path] for path in taken}
    return Ticket(
        Masks(masks),
        Live(wrapped).read(),
        round=ticket.round,
        architecture=describe(model) if model.optimizer is not None else None,
    )


def _check_arguments(ticket: object, model: Any, weights: object) -> None:
    if not isinstance(ticket, Ticket):
        raise TypeError(
            f"`ticket` must be a Ticket. Received: {type(ticket).__name__}."
        )
    if not isinstance(model, keras.Model) or not model.built:
        raise TypeError(
            "`model` must be a built tf_keras model, not a function that returns one. "
            f"Received: {model!r}."
        )
    if not isinstance(weights, bool):
        raise ValueError(
            "`weights` must be True, for the ticket's starting weights, or False, for "
            f"the model's own. Received: weights={weights!r}."
        )
    check_unwrapped(model)


def _skipped(skip: Sequence[str], ticket: Ticket, live: Live) -> set[str]:
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


def _check_masks(ticket: Ticket, live: Live, taken: Iterable[str]) -> None:
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


def _take_weights(ticket: Ticket, live: Live, skipped: set[str]) -> None:
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
