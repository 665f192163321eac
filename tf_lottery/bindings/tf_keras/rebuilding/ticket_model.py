"""Live Keras models of tickets."""

import json
import warnings
from collections.abc import Mapping
from typing import Any

from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.bindings.tf_keras.copying.adapted import adapted_layers
from tf_lottery.bindings.tf_keras.copying.attributes import plain_attributes
from tf_lottery.bindings.tf_keras.copying.holding import with_adapted
from tf_lottery.bindings.tf_keras.layers import finalize
from tf_lottery.bindings.tf_keras.live import Live
from tf_lottery.bindings.tf_keras.rebuilding.rebuild import basis, check_model
from tf_lottery.bindings.tf_keras.tfmot.wrap import compile_like, copied_metrics, wrap
from tf_lottery.core.ticket import Ticket, chosen


def describe(model: Any, optimizer: Any = None) -> dict[str, Any] | None:
    """The model and how it is compiled, as plain values that JSON can hold.

    None if Keras cannot serialise a part of it, such as a loss that is a partial. The
    optimizer is the one that trains the model; default: the model's own, as it is now.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of lambdas, which only `model()` would run
        try:
            described: dict[str, Any] = keras.saving.serialize_keras_object(model)
            if adapted_layers(model):  # only a copy's configuration holds the words
                described["config"] = with_adapted(model)
            if described.get("compile_config"):
                # What it was compiled with may be a name, and not what was set since.
                optimizer = model.optimizer if optimizer is None else optimizer
                values = {
                    "optimizer": optimizer,
                    "run_eagerly": model._run_eagerly,
                    "jit_compile": model._jit_compile,
                    **copied_metrics(model),
                }
                described["compile_config"] |= {
                    name: keras.saving.serialize_keras_object(value)
                    for name, value in values.items()
                    if name in described["compile_config"]
                }
            described["config"] = _without_builds(described["config"])
            if attributes := plain_attributes(model):
                described["attributes"] = attributes
            json.dumps(described)
        except (TypeError, ValueError, NotImplementedError):
            return None
    return described


def _without_builds(values: Any) -> Any:
    """A configuration whose layers are built only by the calls of the graph."""
    if isinstance(values, Mapping):
        return {
            key: _without_builds(value)
            for key, value in values.items()
            if key != "build_config"
        }
    return list(map(_without_builds, values)) if isinstance(values, list) else values


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
    wrapped = wrap(model, seed, masked=ticket.masks)
    live = Live(wrapped)
    live.assign(values, live.with_frozen(ticket.masks, ticket.state))
    finalize(wrapped)
    if model.optimizer is not None:
        # Compiled after the weights are set: an average of them starts from these.
        compile_like(wrapped, model)
    return wrapped
