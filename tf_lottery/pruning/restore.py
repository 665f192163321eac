"""Live Keras models of tickets."""

import json
import warnings
from collections.abc import Mapping
from typing import Any

from tf_lottery._keras import keras
from tf_lottery.core.errors import TicketError
from tf_lottery.core.records import Outcome, State
from tf_lottery.core.ticket import Ticket
from tf_lottery.pruning.foreign import check_modules
from tf_lottery.pruning.layers import finalize
from tf_lottery.pruning.live import Live
from tf_lottery.pruning.wrap import compile_like, wrap

WEIGHTS = ("initial", "best", "final")


def describe(model: Any, optimizer: Any = None) -> dict[str, Any] | None:
    """The model and how it is compiled, as plain values that JSON can hold.

    None if Keras cannot serialise a part of it, such as a loss that is a partial.

    Args:
        model: The model.
        optimizer: The one that trains it, in place of its own.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of lambdas, which only `model()` would run
        try:
            described: dict[str, Any] = keras.saving.serialize_keras_object(model)
            if optimizer is not None and described.get("compile_config"):
                serialized = keras.saving.serialize_keras_object(optimizer)
                described["compile_config"]["optimizer"] = serialized
            json.dumps(described)
        except (TypeError, ValueError, NotImplementedError):
            return None
    return described


def model(
    ticket: Ticket,
    weights: str,
    *,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
) -> Any:
    """See `Ticket.model`."""
    chosen(ticket, weights)  # raises before anything is built
    rebuilt = rebuild(ticket, custom_objects=custom_objects, safe_mode=safe_mode)
    try:
        restored = apply(ticket, rebuilt, weights)
        if weights == "initial":
            Live(restored).assign(ticket.state, ticket.masks)
    except TicketError as error:
        raise TicketError(
            "The model cannot be rebuilt from its configuration as it was; Keras "
            "splits a layer that is shared between an outer and a nested model. Use "
            "`ticket.apply(model)` with the model itself."
        ) from error
    return restored


def apply(ticket: Ticket, model: Any, weights: str) -> Any:
    """See `Ticket.apply`."""
    values = chosen(ticket, weights)
    seed = ticket.plan.seed if ticket.plan else 0
    wrapped = wrap(model, seed, asked=ticket.masks)
    Live(wrapped).assign(values, ticket.masks)
    finalize(wrapped)
    if model.optimizer is not None:
        # Compiled after the weights are set: an average of them starts from these.
        compile_like(wrapped, model)
    return wrapped


def rebuild(
    ticket: Ticket,
    *,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
) -> Any:
    """The model of a ticket's search from its configuration, freshly initialised."""
    if ticket.architecture is None:
        raise TicketError(
            "This ticket holds no architecture. Use `ticket.apply(model)` instead."
        )
    if safe_mode:
        check_modules(ticket.architecture, custom_objects or {})
    return keras.saving.deserialize_keras_object(
        dict(ticket.architecture),
        custom_objects=dict(custom_objects or {}),
        safe_mode=safe_mode,
    )


def chosen(ticket: Ticket, weights: str) -> State:
    """The initial, best or final weights of a ticket, by their name."""
    if weights not in WEIGHTS:
        raise ValueError(
            f"`weights` must be one of {', '.join(map(repr, WEIGHTS))}. "
            f"Received: weights={weights!r}."
        )
    if weights == "initial":
        return ticket.weights
    if ticket.outcome is None:
        raise TicketError(
            f"This ticket was not trained; it has no {weights!r} weights. That of a "
            "round has them in `round.trained`."
        )
    return outcome_weights(ticket.outcome, weights)


def outcome_weights(outcome: Outcome, weights: str) -> State:
    """The best or the final weights of a training, by their name."""
    return outcome.best_weights if weights == "best" else outcome.weights
