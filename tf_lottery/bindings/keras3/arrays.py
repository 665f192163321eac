"""What variables of Keras hold, as arrays."""

from typing import Any

from tf_lottery.bindings.keras3._imports import backend


def array_of(variable: Any) -> Any:
    """A copy of what a variable holds on the first replica."""
    return backend.replicas(variable.value)[0]
