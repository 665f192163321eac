"""What must hold of callbacks before anything is trained."""

import inspect
import types
from collections.abc import Iterator, Sequence
from typing import Any

from tf_lottery._keras import keras
from tf_lottery.pruning.layers import named_weights
from tf_lottery.pruning.rebinding import rebound

# What Keras sets on a callback, also in a `fit` before the search.
_SET_BY_KERAS = ("model", "params", "validation_data")
_KERAS = ("tf_keras.", "keras.", "tensorflow_model_optimization.")


def check_callbacks(callbacks: Any) -> None:
    """Raises unless they are Keras callbacks, or a function that returns them."""
    if callable(callbacks):
        try:
            inspect.signature(callbacks).bind(0, 0, None)
        except TypeError as error:
            raise TypeError(
                "A function of callbacks must take (round, replicate, control). "
                f"Received: one that cannot: {error}."
            ) from error
        return
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise TypeError(
                "`callbacks` must be tf_keras callbacks, or a function that returns "
                f"them. Received: {type(callback).__name__} "
                f"of {type(callback).__module__}."
            )


def check_use_no_other(callbacks: Sequence[Any], models: Sequence[Any]) -> None:
    """Raises if a callback reaches a model that is not the one that is trained.

    Args:
        callbacks: Keras callbacks.
        models: What the user passed as the model, of which a search trains a copy.
    """
    parts: dict[int, str] = {}
    for model in models:
        for layer in model._flatten_layers():
            parts[id(layer)] = f"the layer {layer.name!r} of the model"
        for path, weight in named_weights(model).items():
            parts[id(weight)] = f"the weight {path!r} of the model"
        parts[id(model.optimizer)] = "the optimizer of the model"
        parts[id(model)] = "the model"
    for callback in callbacks:
        for name, value in _values(callback):
            _check_value(callback, name, value, parts)


def _check_value(callback: Any, name: str, value: Any, parts: Any) -> None:
    def refuse(part: Any) -> None:
        if part is not None and id(part) in parts:
            raise ValueError(
                "A callback must reach the model as `self.model`, since a search "
                f"trains a copy of yours. Received: {type(callback).__name__}, whose "
                f"{name!r} uses {parts[id(part)]} that was passed. Write a subclass of "
                "`keras.callbacks.Callback` that uses `self.model`."
            )

    rebound(value, refuse)


def _values(callback: Any) -> Iterator[tuple[str, Any]]:
    """The attributes of a callback, and the methods of the user's classes."""
    for name, value in vars(callback).items():
        if name not in _SET_BY_KERAS:
            yield name, value
    for kind in type(callback).__mro__:
        if not f"{kind.__module__}.".startswith((*_KERAS, "builtins.")):
            for name, value in vars(kind).items():
                if isinstance(value, types.FunctionType):
                    yield name, value
