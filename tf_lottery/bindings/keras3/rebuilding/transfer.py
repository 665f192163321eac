"""A ticket for another model: with another head, another optimizer, other data."""

from collections.abc import Sequence
from typing import Any

from tf_lottery.bindings.keras3._imports import keras
from tf_lottery.bindings.keras3.copying.compiled import masked_copy
from tf_lottery.bindings.keras3.layers import finalize
from tf_lottery.bindings.keras3.live import Live
from tf_lottery.bindings.keras3.models import is_built
from tf_lottery.bindings.keras3.rebuilding.describe import describe
from tf_lottery.bindings.keras3.rebuilding.rebuild import check_model
from tf_lottery.bindings.shared.transfer import check_arguments, taken_masks
from tf_lottery.core.ticket import Ticket


def transfer(
    ticket: Ticket, model: Any, *, weights: bool, skip: Sequence[str]
) -> Ticket:
    """See `tf_lottery.transfer`."""
    check_arguments(ticket, weights)
    if not isinstance(model, keras.Model) or not is_built(model):
        raise TypeError(
            "`model` must be a built Keras model, not a function that returns one. "
            f"Received: {model!r}."
        )
    check_model(ticket, model)
    copied = masked_copy(model, 0, asked=ticket.masks)
    masks = taken_masks(ticket, Live(copied), skip, weights=weights)
    finalize(copied)
    return Ticket(
        masks,
        Live(copied).read(),
        round=ticket.round,
        architecture=describe(model) if model.compiled else None,
    )
