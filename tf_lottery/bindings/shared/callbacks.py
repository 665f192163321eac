"""Callbacks: what must hold of them before anything is trained."""

import functools
import inspect
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tf_lottery.bindings.shared.naming import is_a
from tf_lottery.bindings.shared.objects import is_own_object
from tf_lottery.bindings.shared.rebinding import Rebinding
from tf_lottery.core.packages import is_known
from tf_lottery.core.words import warn

# What Keras sets on a callback, also in a `fit` before the search.
_SET_BY_KERAS = ("model", "params", "validation_data")
_COUNT_NOTHING = ("CSVLogger", "LearningRateScheduler", "TensorBoard", "TerminateOnNaN")


def checked_callbacks(callbacks: Any, keras: Any) -> Any:
    """See `Binding.checked_callbacks`; one callback needs no list, None means none.

    `keras` is the Keras of the binding.
    """
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
                f"`callbacks` must be {keras.__name__} callbacks, or a function that "
                f"returns them. Received: {type(callback).__name__} "
                f"of {type(callback).__module__}."
            )
        if isinstance(callback, keras.callbacks.BackupAndRestore):
            raise ValueError(
                "A search continues by its run directory. Received: BackupAndRestore "
                "in `callbacks`, which would put weights of one training into "
                "another. Leave it out, and pass `run_dir`."
            )
    return listed


def check_use_no_other(
    callbacks: Sequence[Any], model: Any, weights: Mapping[str, Any]
) -> None:
    """See `Binding.check_use_no_other`; `weights` are those of the model by path."""
    layers = model._flatten_layers()
    parts = {id(layer): f"the layer {layer.name!r} of the model" for layer in layers}
    parts |= {id(weights[p]): f"the weight {p!r} of the model" for p in weights}
    parts |= {id(model.optimizer): "the optimizer of the model", id(model): "the model"}
    for callback in callbacks:
        for name, value in _values(callback):
            Rebinding(functools.partial(_refuse, callback, name, parts)).of(value)


def warn_of_lost_counts(callbacks: Sequence[Any], step: int, path: Path) -> None:
    """See `Binding.warn_of_lost_counts`."""
    count = [c for c in callbacks if not any(is_a(c, kind) for kind in _COUNT_NOTHING)]
    if names := ", ".join(sorted({type(each).__name__ for each in count})):
        warn(
            f"A training continues at step {step}, and its callbacks start "
            f"again: {names} lost what they counted before the stop. The training may "
            "differ from one without a stop. To train it again from its start, remove "
            f"{path}."
        )


def refuse_call(name: str, *args: Any, **kwargs: Any) -> NoReturn:
    """Stands for a method of the model that a callback must not call."""
    raise RuntimeError(
        "A callback must neither compile nor train the model: the search does both. "
        f"Received: a call of `model.{name}`. Compile the model before the search; in "
        "a callback assign to variables, such as `model.optimizer.learning_rate`."
    )


def _refuse(callback: Any, name: str, parts: dict[int, str], value: Any) -> None:
    if value is not None and id(value) in parts:
        raise ValueError(
            "A callback must reach the model as `self.model`, since a search trains a "
            f"copy of yours. Received: {type(callback).__name__}, whose {name!r} uses "
            f"{parts[id(value)]} that was passed. Write a subclass of "
            "`keras.callbacks.Callback` that uses `self.model`."
        )


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
