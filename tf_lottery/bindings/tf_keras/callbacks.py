"""Callbacks: what must hold of them before anything is trained, and their list."""

import inspect
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.bindings.tf_keras.copying.objects import is_own_object
from tf_lottery.bindings.tf_keras.copying.rebinding import Rebinding
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.core.packages import is_known
from tf_lottery.core.words import warn

# What Keras sets on a callback, also in a `fit` before the search.
_SET_BY_KERAS = ("model", "params", "validation_data")
_COUNT_NOTHING = (
    keras.callbacks.CSVLogger,
    keras.callbacks.LearningRateScheduler,
    keras.callbacks.TensorBoard,
    keras.callbacks.TerminateOnNaN,
)


def callback_list(callbacks: Any, model: Any, epochs: int, steps: int) -> Any:
    """Keras' list of callbacks, which also keeps `model.history`."""
    return keras.callbacks.CallbackList(
        callbacks, add_history=True, model=model, epochs=epochs, steps=steps, verbose=0
    )


def sees_batches(callbacks: Any) -> bool:
    """Whether any callback acts on batches: a group of steps would hide some."""
    listed = keras.callbacks.CallbackList(callbacks)
    return bool(
        listed._should_call_train_batch_hooks or listed._should_call_test_batch_hooks
    )


def checked_callbacks(callbacks: Any) -> Any:
    """See `Binding.checked_callbacks`; one callback needs no list, None means none."""
    if callable(callbacks):
        try:
            inspect.signature(callbacks).bind(0, 0, None)
        except TypeError as error:
            raise TypeError(
                "A function of callbacks must take (round, replicate, control). "
                f"Received: one that cannot: {error}."
            ) from error
        return callbacks
    single = isinstance(callbacks, keras.callbacks.Callback)
    listed = [callbacks] if single else list(callbacks or ())
    for callback in listed:
        if not isinstance(callback, keras.callbacks.Callback):
            raise TypeError(
                "`callbacks` must be tf_keras callbacks, or a function that returns "
                f"them. Received: {type(callback).__name__} "
                f"of {type(callback).__module__}."
            )
        if isinstance(callback, keras.callbacks.BackupAndRestore):
            raise ValueError(
                "A search continues by its run directory. Received: BackupAndRestore "
                "in `callbacks`, which would put weights of one training into "
                "another. Leave it out, and pass `run_dir`."
            )
    return listed


def check_use_no_other(callbacks: Sequence[Any], model: Any) -> None:
    """Raises if a callback reaches the model that was passed, not its copy."""
    parts: dict[int, str] = {}
    for layer in model._flatten_layers():
        parts[id(layer)] = f"the layer {layer.name!r} of the model"
    for path, weight in named_weights(model).items():
        parts[id(weight)] = f"the weight {path!r} of the model"
    parts[id(model.optimizer)] = "the optimizer of the model"
    parts[id(model)] = "the model"
    for callback in callbacks:
        for name, value in _values(callback):
            _check_value(callback, name, value, parts)


def warn_of_lost_counts(callbacks: Sequence[Any], step: int, path: Path) -> None:
    """Warns that callbacks start again at a step, where a checkpoint continues."""
    kinds = (type(each) for each in callbacks if not isinstance(each, _COUNT_NOTHING))
    if names := ", ".join(sorted({kind.__name__ for kind in kinds})):
        warn(
            f"A training continues at step {step}, and its callbacks start "
            f"again: {names} lost what they counted before the stop. The training may "
            "differ from one without a stop. To train it again from its start, remove "
            f"{path}."
        )


def _check_value(callback: Any, name: str, value: Any, parts: Any) -> None:
    def refuse(part: Any) -> None:
        if part is not None and id(part) in parts:
            raise ValueError(
                "A callback must reach the model as `self.model`, since a search "
                f"trains a copy of yours. Received: {type(callback).__name__}, whose "
                f"{name!r} uses {parts[id(part)]} that was passed. Write a subclass of "
                "`keras.callbacks.Callback` that uses `self.model`."
            )

    Rebinding(refuse).of(value)


def _values(callback: Any) -> Iterator[tuple[str, Any]]:
    """The attributes of a callback, and the methods of the user's classes."""
    for name, value in vars(callback).items():
        if name not in _SET_BY_KERAS:
            yield name, value
            if is_own_object(value):
                yield from ((f"{name}.{n}", part) for n, part in vars(value).items())
    for kind in type(callback).__mro__:
        if not is_known(kind.__module__):
            for name, value in vars(kind).items():
                if isinstance(value, types.FunctionType):
                    yield name, value
