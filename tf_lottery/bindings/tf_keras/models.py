"""From what a user passes as a model to a built one, and how it is driven."""

import contextlib
from typing import Any

from tf_lottery.bindings.parts import Feed
from tf_lottery.bindings.tf_keras import hold
from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.bindings.tf_keras.callbacks import sees_batches
from tf_lottery.bindings.tf_keras.checks.examples import check_batch
from tf_lottery.bindings.tf_keras.copying.copier import Copier, copy_layer
from tf_lottery.bindings.tf_keras.data.arrays import unpacked
from tf_lottery.bindings.tf_keras.devices import Devices
from tf_lottery.bindings.tf_keras.layers import has_unbuilt
from tf_lottery.bindings.tf_keras.process import names_from_zero, seeded
from tf_lottery.bindings.tf_keras.tfmot.wrap import compile_like, compiled_copy
from tf_lottery.core.plan import Plan
from tf_lottery.core.seeds import derive

# Grouped steps are bit-identical to single ones and save a third of the time.
GROUP = 50


def called(model: Any, seed: int, devices: Devices | None) -> Any:
    """The model; a function is called under the seed, in the scope of the devices.

    Unnamed layers are numbered from 0, so they have the same names in each call.
    """
    if isinstance(model, keras.Model) or not callable(model):
        return model
    scope = devices.scope() if devices else contextlib.nullcontext()
    with seeded(derive(seed, "model")), names_from_zero(), scope:
        return model()


def built(model: Any, feed: Feed, seed: int) -> Any:
    """See `Binding.built`."""
    check_batch(feed.example_spec, "dataset")
    if model.built:
        return _with_built_parts(model, seed) if has_unbuilt(model) else model
    inputs, _, _ = unpacked(feed.example_spec)
    shape = getattr(inputs, "shape", None)
    if shape is None or shape.rank is None:
        raise ValueError(
            "A model without an input shape must have one input of known shape. "
            f"Received: batches of {inputs}. Give the first layer an `input_shape`."
        )
    with seeded(derive(seed, "model")), model.distribute_strategy.scope():
        copier = Copier(copy_layer)
        copy = copier.of(model)
        copier.complete()
        copy.build((None, *shape[1:]))
        compile_like(copy, model)
    return _with_built_parts(copy, seed) if has_unbuilt(copy) else copy


def _with_built_parts(model: Any, seed: int) -> Any:
    """A compiled copy of a model that holds an unbuilt one."""
    with model.distribute_strategy.scope():
        copied = compiled_copy(model, seed)
        hold.copy_values(model, copied)
    return copied


def optimizer(model: Any, plan: Plan, last_step: int) -> Any:
    """A copy of the model's optimizer without slots, as the plan needs it."""
    copied = hold.copy(model.optimizer)
    if plan.retrain == "fine_tune":
        before = int(model.optimizer.iterations.numpy())  # if it is trained already
        hold.hold_last_rate(copied, before + last_step)
    return copied


def group_size(model: Any, callbacks: Any) -> int:
    """How many steps one call of the train function may take."""
    given = int(model._steps_per_execution.numpy())
    if model.run_eagerly or model.jit_compile or callable(callbacks):
        return given
    return given if sees_batches(list(callbacks)) else max(given, GROUP)
