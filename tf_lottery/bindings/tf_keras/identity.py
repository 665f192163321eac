"""What a compiled model is of: two models of equal identity train alike."""

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
    """What a compiled model is of, as plain values: configuration and weights.

    Args:
        model: A model that was not searched.
        rates: The names in `layer_rates`, which may ask for more than kernels.
    """
    if isinstance(model, keras.Model):
        check_model(model)
    values = fixed_values(model) if getattr(model, "built", False) else {}
    return [describe(model), weights_digest(model), values, sorted(asked_for(rates))]


def weights_digest(model: Any) -> str:
    """A hash of the weights and the optimizer's values.

    A function may set or load them as well as draw them.
    """
    digest = hashlib.sha256()
    optimizer = hold.variables(model.optimizer, {}).values()
    for variable in [*named_weights(model).values(), *optimizer]:
        value = variable.numpy()
        digest.update(str((value.dtype, value.shape)).encode() + value.tobytes())
    return digest.hexdigest()
