"""A ticket for another model: with another head, another optimizer, other data."""

from collections.abc import Sequence
from typing import Any

from tf_lottery.bindings.shared.transfer import check_arguments, taken_masks
from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.bindings.tf_keras.layers import finalize
from tf_lottery.bindings.tf_keras.live import Live
from tf_lottery.bindings.tf_keras.rebuilding.ticket_model import describe
from tf_lottery.bindings.tf_keras.tfmot.wrap import check_unwrapped, compile_like, wrap
from tf_lottery.core.ticket import Ticket


def transfer(
    ticket: Ticket, model: Any, *, weights: bool, skip: Sequence[str]
) -> Ticket:
    """See `tf_lottery.transfer`."""
    check_arguments(ticket, weights)
    if not isinstance(model, keras.Model) or not model.built:
        raise TypeError(
            "`model` must be a built tf_keras model, not a function that returns one. "
            f"Received: {model!r}."
        )
    check_unwrapped(model)
    wrapped = wrap(model, asked=ticket.masks)
    masks = taken_masks(ticket, Live(wrapped), skip, weights=weights)
    finalize(wrapped)
    if model.optimizer is not None:
        # Compiled after the weights are set: an average of them starts from these.
        compile_like(wrapped, model)
    return Ticket(
        masks,
        Live(wrapped).read(),
        round=ticket.round,
        architecture=describe(model) if model.optimizer is not None else None,
    )
