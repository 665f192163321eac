"""Live Keras models of tickets."""

from collections.abc import Mapping
from typing import Any

from tf_lottery.bindings.keras3.copying.compiled import masked_copy
from tf_lottery.bindings.keras3.layers import finalize
from tf_lottery.bindings.keras3.live import Live
from tf_lottery.bindings.keras3.rebuilding.rebuild import basis, check_model
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
        live.assign(ticket.state, live.with_frozen(ticket.masks, ticket.state))
    return restored


def apply(ticket: Ticket, model: Any, weights: str) -> Any:
    """See `Ticket.apply`."""
    values = chosen(ticket, weights)
    check_model(ticket, model)
    seed = ticket.plan.seed if ticket.plan else 0
    copied = masked_copy(model, seed, held=ticket.masks)
    live = Live(copied)
    live.assign(values, live.with_frozen(ticket.masks, ticket.state))
    finalize(copied)
    return copied
