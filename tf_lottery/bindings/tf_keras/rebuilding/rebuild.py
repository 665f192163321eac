"""What tf_keras makes of the configuration of a ticket."""

import json
from typing import Any

from tf_lottery.bindings.shared.rebuilding import Rebuilding
from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.bindings.tf_keras.copying.adapted import adapted_layers
from tf_lottery.bindings.tf_keras.copying.by_name import by_name
from tf_lottery.bindings.tf_keras.copying.holding import adapted_in, with_adapted
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.bindings.tf_keras.models import called
from tf_lottery.bindings.tf_keras.tfmot.wrap import wrappers
from tf_lottery.core.errors import TicketError
from tf_lottery.core.ticket import Ticket


def _made(config: dict[str, Any], known: dict[str, Any], safe: bool) -> Any:
    with by_name():
        return keras.saving.deserialize_keras_object(config, known, safe)


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


_models = Rebuilding(
    keras=keras,
    called=called,
    made=_made,
    named_weights=named_weights,
    is_built=lambda model: bool(model.built),
    masks_of=wrappers,
    check=_check_words,
    kind="tf_keras",
    masks="pruning wrappers",
    how_built="Give its first layer an `input_shape`.",
    why_other="Keras splits a layer that is shared between an outer and a nested "
    "model. ",
)
basis = _models.basis
check_model = _models.check_model
lacks = _models.lacks
rebuild = _models.rebuild
