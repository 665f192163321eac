"""The model that the weights of a ticket go into: rebuilt, given, or remembered."""

import json
from collections.abc import Mapping
from typing import Any

from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.bindings.tf_keras.copying.adapted import is_adapted
from tf_lottery.bindings.tf_keras.copying.holding import adapted_in, with_adapted
from tf_lottery.bindings.tf_keras.rebuilding.rebuild import other_weights, rebuild
from tf_lottery.bindings.tf_keras.tfmot.wrap import wrappers
from tf_lottery.core.errors import TicketError
from tf_lottery.core.ticket import FoundTicket, Ticket


def basis(
    ticket: Ticket,
    model: Any = None,
    *,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
) -> Any:
    """A model like that of the ticket's search, whatever its weights are.

    Args:
        ticket: What is to be a model.
        model: Such a model. Default: one made from the ticket's configuration; where
            Keras cannot do that, the one that the ticket remembers.
        custom_objects, safe_mode: See `Ticket.model`.

    Raises:
        TicketError: There is no such model, or it does not fit.
    """
    if model is None:
        try:
            return rebuild(ticket, custom_objects=custom_objects, safe_mode=safe_mode)
        except TicketError:
            if not isinstance(ticket, FoundTicket) or ticket.origin is None:
                raise
        is_model = isinstance(ticket.origin, keras.Model)
        model = ticket.origin if is_model else ticket.origin()
    check_fits(ticket, model)
    return model


def check_model(ticket: Ticket, model: Any) -> None:
    """Raises unless it is a plain, built tf_keras model, with the ticket's words."""
    if not isinstance(model, keras.Model):
        call = " Call it, and pass what it returns." if callable(model) else ""
        raise TypeError(
            "A ticket must be applied to a tf_keras model. Received: "
            f"{type(model).__name__}.{call}"
        )
    if not model.built:
        raise ValueError(
            "A ticket must be applied to a built model. Received: "
            f"{model.name!r}, which has no weights yet. Give its first layer an "
            "`input_shape`."
        )
    if wrappers(model):
        raise TicketError(
            "A ticket must be applied to a model without pruning wrappers. Received: "
            f"{model.name!r}, which has them, as a model of `ticket.model()` has. Pass "
            "the model that was searched, another build of it, or "
            "`tf_lottery.export.strip(model)`."
        )
    _check_words(ticket, model)


def _check_words(ticket: Ticket, model: Any) -> None:
    """Raises if lookups have other words, or other bins, than in the search."""
    if ticket.architecture is None or not is_adapted(model):
        return
    mine = json.loads(json.dumps(list(adapted_in(with_adapted(model)))))
    theirs = json.loads(json.dumps(list(adapted_in(ticket.architecture["config"]))))
    for (name, what, value), (*_, wanted) in zip(mine, theirs, strict=False):
        if value != wanted:
            raise TicketError(
                "A model must have the words and bins that the ticket was found with, "
                f"in their order. Received: {name!r} with another {what}. Adapt it to "
                "the data of the search, or give it the words that it has in "
                "`ticket.model()`."
            )


def check_fits(ticket: Ticket, model: Any) -> None:
    """Raises unless a model can take all weights of a ticket, see `check_model`."""
    check_model(ticket, model)
    if other := next(other_weights(ticket, model), ""):
        raise TicketError(
            f"This ticket was found on another model: they differ in {other!r}. Pass a "
            "model with the same layers, of the same names and sizes."
        )
