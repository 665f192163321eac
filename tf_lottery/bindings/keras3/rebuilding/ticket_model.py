"""Live Keras models of tickets."""

from collections.abc import Mapping
from typing import Any

from tf_lottery.bindings.keras3.copying.compiled import masked_copy
from tf_lottery.bindings.keras3.layers import finalize
from tf_lottery.bindings.keras3.live import Live
from tf_lottery.bindings.keras3.rebuilding.rebuild import basis, check_model
from tf_lottery.core.masks import Masks
from tf_lottery.core.ticket import Ticket, chosen


def model(
    ticket: Ticket,
    weights: str,
    *,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
) -> Any:
    """See `Ticket.model`."""
    chosen(ticket, weights)  # raises before anything is built
    found = basis(ticket, custom_objects=custom_objects, safe_mode=safe_mode)
    restored = apply(ticket, found, weights)
    if weights == "initial":
        live = Live(restored)
        if live.variables.keys() <= ticket.state.keys():
            live.assign(ticket.state, _with_frozen(ticket, live))
    return restored


def apply(ticket: Ticket, model: Any, weights: str) -> Any:
    """See `Ticket.apply`."""
    values = chosen(ticket, weights)
    check_model(model)
    seed = ticket.plan.seed if ticket.plan else 0
    copied = masked_copy(model, seed, held=ticket.masks)
    live = Live(copied)
    live.assign(values, _with_frozen(ticket, live))
    finalize(copied)
    return copied


def _with_frozen(ticket: Ticket, live: Live) -> Masks:
    """The masks of the ticket, and masks of ones for weights that were frozen.

    Those have values in the ticket, and may be trained in the model.
    """
    frozen = live.shapes.keys() & ticket.state.keys() - ticket.masks.keys()
    ones = Masks.full({path: live.shapes[path] for path in frozen})
    return Masks({**ones, **ticket.masks})
