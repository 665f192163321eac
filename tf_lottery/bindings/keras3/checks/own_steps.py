"""Steps and losses of the user's own, see `shared.own_steps`."""

import functools
from typing import Any

from tf_lottery.bindings.keras3._imports import keras
from tf_lottery.bindings.shared import own_steps

has_own = functools.partial(own_steps.has_own, keras.Model)
has_own_loss = functools.partial(own_steps.has_own_loss, keras.Model)


def check_loss(model: Any) -> None:
    """Raises unless a validation pass computes a loss."""
    own_steps.check_loss(keras.Model, model, model._compile_loss is not None)
