"""From what a user passes as a model to a built one, and how it is driven."""

import contextlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_lottery.bindings.keras3 import hold
from tf_lottery.bindings.keras3._imports import backend, keras
from tf_lottery.bindings.keras3.arrays import array_of
from tf_lottery.bindings.keras3.copying.compiled import copy_model
from tf_lottery.bindings.keras3.devices import scope_of
from tf_lottery.bindings.keras3.layers import inner_layers, named_weights, rows_needed
from tf_lottery.bindings.keras3.process import names_from_zero, seeded, serialising
from tf_lottery.bindings.keras3.states import seed_generators, state_of
from tf_lottery.bindings.parts import Devices, Feed
from tf_lottery.bindings.shared.own_steps import has_own
from tf_lottery.bindings.shared.rows import mapped
from tf_lottery.core.plan import Plan
from tf_lottery.core.seeds import derive

_BATCH_METHODS = (
    *("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end"),
    *("on_test_batch_begin", "on_test_batch_end"),
)


@dataclass(frozen=True)
class Rows:
    """The shape and type of some rows of data."""

    shape: tuple[int | None, ...]
    dtype: Any


def called(model: Any, seed: int, devices: Devices | None) -> Any:
    """See `Binding.called`; unnamed layers have the same names in each call."""
    if isinstance(model, keras.Model) or not callable(model):
        return model
    scope = devices.scope() if devices else contextlib.nullcontext()
    with seeded(derive(seed, "model")), names_from_zero(), scope:
        return model()


def is_built(model: Any) -> bool:
    """Whether all layers have their variables, except those that `call` never uses."""
    return _has_all(model) or bool(model.built and model._called)


def built(model: Any, feed: Feed, seed: int) -> Any:
    """See `Binding.built`."""
    return built_for(model, feed.example_spec, seed)


def built_for(model: Any, spec: Any, seed: int) -> Any:
    """The model, or a copy of an unbuilt one that is called on a batch's shapes."""
    if _has_all(model):
        return model
    with seeded(derive(seed, "model")), scope_of(model):
        copied = copy_model(model)
        build(copied, spec)
    # A call that adds no weight says that no layer without one is ever used.
    if is_built(model) and named_weights(model).keys() == named_weights(copied).keys():
        return model
    return copied


def _has_all(model: Any) -> bool:
    return all(layer.built for layer in model._flatten_layers())


def build(model: Any, spec: Any) -> None:
    """Builds a compiled model and its metrics for batches of a spec.

    Raises:
        ValueError: Batches that the model, its loss or its metrics do not take.
    """
    model._symbolic_build(data_batch=of_its_rows(model, spec))


def of_its_rows(model: Any, spec: Any, otherwise: int | None = None) -> Any:
    """A spec of batches, of as many rows as the model needs.

    `otherwise` is their number if it needs none; None leaves it open.
    """
    number = rows_needed(model) or otherwise
    if number is None:
        return spec
    return mapped(lambda part: Rows((number, *part.shape[1:]), part.dtype), spec)


def compiled_copy(model: Any) -> Any:
    """See `Binding.compiled_copy`."""
    copied = copy_model(model)
    if model.optimizer.built:
        with scope_of(model):
            copied.optimizer.build(copied.trainable_variables)
        pairs = zip(copied.optimizer.variables, model.optimizer.variables, strict=True)
        for mine, theirs in pairs:
            mine.assign(array_of(theirs))
    return copied


def optimizer(model: Any, plan: Plan, last_step: int) -> Any:
    """A copy of the model's optimizer without slots, as the plan needs it."""
    copied = hold.copy(model.optimizer)
    if plan.retrain == "fine_tune":
        # If it is trained already.
        before = int(array_of(hold.inner_of(model.optimizer)._iterations))
        hold.hold_last_rate(copied, before + last_step)
    return copied


def group_size(model: Any, callbacks: Any) -> int:
    """How many steps one call of the engine may take."""
    given = int(model.steps_per_execution)
    most: int = max(given, backend.GROUP)
    if model.run_eagerly or callable(callbacks) or any(map(_sees_batches, callbacks)):
        return given
    return most


def _sees_batches(callback: Any) -> bool:
    """Whether a group of steps would hide some batches from a callback."""
    if isinstance(callback, keras.callbacks.ModelCheckpoint):
        return bool(callback.save_freq != "epoch")
    if isinstance(callback, keras.callbacks.TensorBoard):
        return bool(callback.update_freq != "epoch")
    return has_own(keras.callbacks.Callback, callback, *_BATCH_METHODS)


def redraw(model: Any) -> Any:
    """See `Binding.redraw`: each part draws its own variables by its configuration.

    Seeds of initialisers are ignored: layers copy their initialisers, and with one seed
    all copies would draw the same tensor.
    """
    copied = copy_model(model)
    for part in copied._flatten_layers():
        if isinstance(part, keras.Model) and part._trainable_variables:
            raise ValueError(
                "To draw other weights, weights must be of layers, whose configuration "
                f"says how. Received: {part.name!r} ({type(part).__name__}), a model "
                "with weights of its own. Pass a function that returns the model."
            )
    done: set[int] = set()
    for _, part in inner_layers(copied):
        mine = [*part._trainable_variables, *part._non_trainable_variables]
        if mine and id(part) not in done:
            done.add(id(part))
            fresh = _drawn(part)
            drawn = [*fresh._trainable_variables, *fresh._non_trainable_variables]
            shapes = [[tuple(v.shape) for v in each] for each in (mine, drawn)]
            if shapes[0] != shapes[1]:
                raise ValueError(
                    "A layer must make the same weights by its configuration. "
                    f"Received: {part.name!r} ({type(part).__name__}), which makes "
                    f"{shapes[1]} for {shapes[0]}. Pass a function that returns the "
                    "model."
                )
            for variable, new in zip(mine, drawn, strict=True):
                variable.assign(array_of(new))
    return copied


def _drawn(part: Any) -> Any:
    """A layer of the same configuration, built alike."""
    try:
        with serialising():
            config = _without_seeds(part.get_config())
        fresh = type(part).from_config(config)
        fresh.build_from_config(part.get_build_config() or {})
    except Exception as error:  # layers raise whatever they like
        raise ValueError(
            "To draw other weights, a layer must be made by `from_config(get_config())`"
            f". Received: {part.name!r} ({type(part).__name__}), which fails with "
            f"{type(error).__name__}: {error} Pass a function that returns the model."
        ) from error
    return fresh


def _without_seeds(config: Any, key: str = "") -> Any:
    if isinstance(config, list | tuple):
        parts = [_without_seeds(part, key) for part in config]
        return tuple(parts) if isinstance(config, tuple) else parts
    if not isinstance(config, dict):
        return config
    changed = {name: _without_seeds(part, name) for name, part in config.items()}
    own = changed.get("config")
    if "initializer" in key and isinstance(own, dict) and "seed" in own:
        changed["config"] = own | {"seed": None}
    return changed


def generators_of(model: Any, seed: int, devices: Devices | None) -> dict[str, Any]:
    """See `Binding.generators_of`."""
    return {name: state_of(derive(seed, name)) for name in seed_generators(model)}


def generator(seed: int) -> Any:
    """See `Binding.generator`."""
    return np.array(state_of(seed))
