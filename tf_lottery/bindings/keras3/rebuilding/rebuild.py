"""The model that takes the weights of a ticket: rebuilt, given, or remembered."""

import copy
import functools
from collections.abc import Mapping
from typing import Any

from tf_lottery.bindings.keras3 import hold
from tf_lottery.bindings.keras3._imports import keras
from tf_lottery.bindings.keras3.layers import named_weights
from tf_lottery.bindings.keras3.models import called, is_built
from tf_lottery.bindings.keras3.rebuilding.describe import needed_attributes
from tf_lottery.bindings.shared.foreign import check_modules, foreign_in_words, in_short
from tf_lottery.core.errors import TicketError
from tf_lottery.core.ticket import FoundTicket, Ticket

_WITH_MODEL = (
    "`ticket.apply(model)` in place of `ticket.model()`, and "
    "`ticket.export(path, model=model)`"
)


def basis(
    ticket: Ticket,
    model: Any = None,
    *,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
) -> Any:
    """See `Binding.basis`."""
    if model is None:
        try:
            return rebuild(ticket, custom_objects=custom_objects, safe_mode=safe_mode)
        except TicketError:
            if not isinstance(ticket, FoundTicket) or ticket.origin is None:
                raise
        is_model = isinstance(ticket.origin, keras.Model)
        model = ticket.origin if is_model else ticket.origin()
    check_model(model)
    if other := _other_weight(ticket, model):
        raise TicketError(
            f"This ticket was found on another model: they differ in {other!r}. Pass a "
            "model with the same layers, of the same names and sizes."
        )
    return model


def rebuild(
    ticket: Ticket,
    *,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
) -> Any:
    """The model of a ticket's search from its configuration, freshly initialised."""
    if ticket.architecture is None:
        raise TicketError(
            "A ticket must hold its architecture to become a model. Received: none, "
            "as Keras could not describe a part of the model or of how it is "
            f"compiled. With the model itself, use {_WITH_MODEL}."
        )
    given = dict(custom_objects or {})
    registered = functools.partial(
        keras.saving.get_registered_object, custom_objects=given
    )
    if safe_mode:
        check_modules(ticket.architecture, registered)
    # Some layers take keys out of what they are made from.
    config = copy.deepcopy(dict(ticket.architecture))
    config.pop("binding", None)
    attributes = config.pop("attributes", [])
    try:
        made = keras.saving.deserialize_keras_object(config, given, safe_mode)
    except Exception as error:  # layers raise whatever they like
        own = foreign_in_words(ticket.architecture, registered)
        why = f"it does not know {own}." if own else in_short(error)
        raise TicketError(
            "Keras must be able to make the model from its configuration, and cannot: "
            f"{why} Pass classes and functions of your own as "
            '`custom_objects={"Name": Name}`, and `safe_mode=False` for Lambda layers '
            "of a file that you trust (on the command line, a recipe with them as "
            f"`--recipe`). Or, with the model itself, use {_WITH_MODEL}."
        ) from error
    lost = sorted({*attributes} - {*needed_attributes(made)})
    if other := _other_weight(ticket, made) or ", ".join(lost):
        raise TicketError(
            "The model cannot be made from its configuration as it was: it differs in "
            f"{other!r}. With the model itself, use {_WITH_MODEL}."
        )
    return made


def lacks(ticket: Ticket, seed: int) -> str:
    """See `Binding.lacks`."""
    try:
        called(functools.partial(rebuild, ticket), seed, None)
    except TicketError as error:
        return str(error)
    return ""


def check_model(model: Any) -> None:
    """Raises unless it is a plain, built Keras 3 model."""
    if not isinstance(model, keras.Model):
        call = " Call it, and pass what it returns." if callable(model) else ""
        raise TypeError(
            "A ticket must be applied to a Keras model. Received: "
            f"{type(model).__name__}.{call}"
        )
    if not is_built(model):
        raise ValueError(
            "A ticket must be applied to a built model. Received: "
            f"{model.name!r}, which has no weights yet. Call it on a batch first."
        )
    if hold.masks_of(model):
        raise TicketError(
            "A ticket must be applied to a model without masks. Received: "
            f"{model.name!r}, which has them, as a model of `ticket.model()` has. Pass "
            "the model that was searched, another build of it, or "
            "`tf_lottery.export.strip(model)`."
        )


def _other_weight(ticket: Ticket, model: Any) -> str:
    """The path of a weight that only one has, or of another shape; else empty."""
    mine, theirs = named_weights(model), ticket.state
    for path, weight in mine.items():
        if path not in theirs or tuple(weight.shape) != theirs[path].shape:
            return path
    return next((path for path in ticket.weights if path not in mine), "")
