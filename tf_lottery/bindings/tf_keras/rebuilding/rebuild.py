"""The model that takes the weights of a ticket: rebuilt, given, or remembered.

It is made from the ticket's configuration. Where Keras cannot do that, it is the model
that the user gives, or the one that the ticket of a search remembers.
"""

import copy
import functools
import json
from collections.abc import Mapping
from typing import Any

from tf_lottery.bindings.shared.foreign import check_modules, foreign_in_words, in_short
from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.bindings.tf_keras.copying.adapted import adapted_layers
from tf_lottery.bindings.tf_keras.copying.by_name import by_name
from tf_lottery.bindings.tf_keras.copying.holding import adapted_in, with_adapted
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.bindings.tf_keras.models import called
from tf_lottery.bindings.tf_keras.tfmot.wrap import wrappers
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
    check_model(ticket, model)
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
    try:
        with by_name():
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
    if other := _other_weight(ticket, made):
        raise TicketError(
            "The model cannot be made from its configuration as it was: it differs in "
            f"{other!r}. Keras splits a layer that is shared between an outer and a "
            f"nested model. With the model itself, use {_WITH_MODEL}."
        )
    return made


def lacks(ticket: Ticket, seed: int) -> str:
    """See `Binding.lacks`."""
    try:
        called(functools.partial(rebuild, ticket), seed, None)
    except TicketError as error:
        return str(error)
    return ""


def check_model(ticket: Ticket, model: Any) -> None:
    """Raises unless it is a plain, built tf_keras model with the ticket's words."""
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
    if ticket.architecture is None or not adapted_layers(model):
        return
    mine, theirs = with_adapted(model), ticket.architecture["config"]
    pairs = zip(adapted_in(mine), adapted_in(theirs), strict=False)
    for (name, what, value), (*_, wanted) in pairs:
        if json.loads(json.dumps(value)) != json.loads(json.dumps(wanted)):
            raise TicketError(
                "A model must have the words and bins that the ticket was found with, "
                f"in their order. Received: {name!r} with another {what}. Adapt it to "
                "the data of the search, or give it the words that it has in "
                "`ticket.model()`."
            )


def _other_weight(ticket: Ticket, model: Any) -> str:
    """The path of a weight that only one has, or of another shape; else empty."""
    mine, theirs = named_weights(model), ticket.state
    for path, weight in mine.items():
        # A layer that was adapted has a variable of unknown size.
        shape = theirs[path].shape if path in theirs else None
        if shape is None or not weight.shape.is_compatible_with(shape):
            return path
    return next((path for path in ticket.weights if path not in mine), "")
