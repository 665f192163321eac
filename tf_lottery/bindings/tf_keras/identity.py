"""What identifies a compiled model: models of equal identity train alike."""

import hashlib
from collections.abc import Iterable
from typing import Any

from tf_lottery.bindings.tf_keras import hold
from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.bindings.tf_keras.checks.model import check_model
from tf_lottery.bindings.tf_keras.copying.fixed import fixed_values
from tf_lottery.bindings.tf_keras.layers import asked_for, named_weights
from tf_lottery.bindings.tf_keras.rebuilding.ticket_model import describe


def identity_of(model: Any, rates: Iterable[str]) -> list[Any]:
    """See `Binding.identity_of`: configuration and weights."""
    if isinstance(model, keras.Model):
        check_model(model)
    values = fixed_values(model) if getattr(model, "built", False) else {}
    return [describe(model), _weights_digest(model), values, sorted(asked_for(rates))]


def _weights_digest(model: Any) -> str:
    """A hash of the weights and the optimizer's values, drawn, set or loaded."""
    digest = hashlib.sha256()
    optimizer = hold.variables(model.optimizer, {}).values()
    for variable in [*named_weights(model).values(), *optimizer]:
        value = variable.numpy()
        digest.update(str((value.dtype, value.shape)).encode() + value.tobytes())
    return digest.hexdigest()
