"""What Keras 3 makes of the configuration of a ticket."""

from typing import Any

from tf_lottery.bindings.keras3 import hold
from tf_lottery.bindings.keras3._imports import keras
from tf_lottery.bindings.keras3.layers import named_weights
from tf_lottery.bindings.keras3.models import called, is_built
from tf_lottery.bindings.keras3.rebuilding.describe import needed_attributes
from tf_lottery.bindings.shared.rebuilding import Rebuilding
from tf_lottery.core.ticket import Ticket


def _made(config: dict[str, Any], known: dict[str, Any], safe: bool) -> Any:
    for ours in ("binding", "attributes"):
        config.pop(ours, None)
    return keras.saving.deserialize_keras_object(config, known, safe)


def _lost(ticket: Ticket, made: Any) -> str:
    wanted = (ticket.architecture or {}).get("attributes", [])
    return ", ".join(sorted({*wanted} - {*needed_attributes(made)}))


_models = Rebuilding(
    keras=keras,
    called=called,
    made=_made,
    named_weights=named_weights,
    is_built=is_built,
    masks_of=hold.masks_of,
    lost=_lost,
    kind="Keras",
    masks="masks",
    how_built="Call it on a batch first.",
)
basis = _models.basis
check_model = _models.check_model
lacks = _models.lacks
