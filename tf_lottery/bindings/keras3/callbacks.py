"""Callbacks of Keras 3: what must hold of them before anything is trained."""

from collections.abc import Sequence
from typing import Any

from tf_lottery.bindings.keras3._imports import keras
from tf_lottery.bindings.keras3.layers import named_weights
from tf_lottery.bindings.shared import callbacks as shared


def checked_callbacks(callbacks: Any) -> Any:
    """See `Binding.checked_callbacks`."""
    return shared.checked_callbacks(callbacks, keras)


def check_use_no_other(callbacks: Sequence[Any], model: Any) -> None:
    """See `Binding.check_use_no_other`."""
    shared.check_use_no_other(callbacks, model, named_weights(model))
