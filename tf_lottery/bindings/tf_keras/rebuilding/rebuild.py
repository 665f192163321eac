"""The model of a ticket, made from its configuration."""

import copy
import functools
from collections.abc import Iterator, Mapping
from typing import Any

from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.bindings.tf_keras.copying.by_name import by_name
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.bindings.tf_keras.models import called
from tf_lottery.bindings.tf_keras.rebuilding.foreign import check_modules, not_of_keras
from tf_lottery.core.errors import TicketError
from tf_lottery.core.ticket import Ticket

WITH_MODEL = (
    "`ticket.apply(model)` in place of `ticket.model()`, and "
    "`ticket.export(path, model=model)`"
)


def rebuild(
    ticket: Ticket,
    *,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
) -> Any:
    """The model of a ticket's search from its configuration, freshly initialised.

    Raises:
        TicketError: The configuration does not make that model, and what to do.
    """
    if ticket.architecture is None:
        raise TicketError(
            "A ticket must hold its architecture to become a model. Received: none, "
            "as Keras could not describe a part of the model or of how it is "
            f"compiled. With the model itself, use {WITH_MODEL}."
        )
    if safe_mode:
        check_modules(ticket.architecture, custom_objects or {})
    # Some layers take keys out of what they are made from.
    architecture = copy.deepcopy(dict(ticket.architecture))
    try:
        with by_name():
            made = keras.saving.deserialize_keras_object(
                architecture,
                custom_objects=dict(custom_objects or {}),
                safe_mode=safe_mode,
            )
    except Exception as error:  # layers raise whatever they like
        own = ", ".join(not_of_keras(ticket.architecture, custom_objects or {}))
        why = f"it does not know {own}." if own else _in_short(error)
        raise TicketError(
            "Keras must be able to make the model from its configuration, and cannot: "
            f"{why} Pass classes and functions of your own as "
            '`custom_objects={"Name": Name}`, and `safe_mode=False` for Lambda layers '
            "of a file that you trust (on the command line, a recipe with them as "
            f"`--recipe`). Or, with the model itself, use {WITH_MODEL}."
        ) from error
    if other := next(other_weights(ticket, made), ""):
        raise TicketError(
            "The model cannot be made from its configuration as it was: it differs in "
            f"{other!r}. Keras splits a layer that is shared between an outer and a "
            f"nested model. With the model itself, use {WITH_MODEL}."
        )
    return made


def lacks(ticket: Ticket, seed: int) -> str:
    """Why no model can be made from a ticket's file alone; empty if one can."""
    try:
        called(functools.partial(rebuild, ticket), seed, None)
    except TicketError as error:
        return str(error)
    return ""


def other_weights(ticket: Ticket, model: Any) -> Iterator[str]:
    """The paths of weights that only one has, or of another shape."""
    mine, theirs = named_weights(model), ticket.state
    for path, weight in mine.items():
        # A layer that was adapted has a variable of unknown size.
        if path not in theirs or not weight.shape.is_compatible_with(
            theirs[path].shape
        ):
            yield path
    yield from (path for path in ticket.weights if path not in mine)


def _in_short(error: Exception) -> str:
    """What an error says, without the configuration that Keras adds."""
    said = str(error).split("Error encountered during deserialization:")[-1]
    said = said.split("Full object config")[0].split("using config=")[0]
    text = " ".join(said.split()) or type(error).__name__
    return f"{text[:300].rstrip('.')}."
