"""From what a user passes as a model to a built one, and how it is driven."""

import contextlib
from typing import Any

from tf_lottery.bindings.parts import Feed
from tf_lottery.bindings.tf_keras import hold
from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.checks.examples import check_batch
from tf_lottery.bindings.tf_keras.copying.copier import Copier, copy_layer, copy_model
from tf_lottery.bindings.tf_keras.layers import has_unbuilt
from tf_lottery.bindings.tf_keras.process import names_from_zero, seeded
from tf_lottery.bindings.tf_keras.states import generators
from tf_lottery.bindings.tf_keras.tfmot.wrap import compile_like, compiled_copy
from tf_lottery.bindings.tf_shared import devices as tf_devices
from tf_lottery.bindings.tf_shared.data.arrays import unpacked
from tf_lottery.bindings.tf_shared.devices import Devices
from tf_lottery.core.plan import Plan
from tf_lottery.core.seeds import derive

# Grouped steps are bit-identical to single ones and save a third of the time.
GROUP = 50


def devices(strategy: Any, model: Any) -> Devices:
    """See `Binding.devices`."""
    found = model if isinstance(model, keras.Model) else None
    return tf_devices.devices(strategy, found)


def called(model: Any, seed: int, devices: Devices | None) -> Any:
    """See `Binding.called`; unnamed layers have the same names in each call."""
    if isinstance(model, keras.Model) or not callable(model):
        return model
    scope = devices.scope() if devices else contextlib.nullcontext()
    with seeded(derive(seed, "model")), names_from_zero(), scope:
        return model()


def built(model: Any, feed: Feed, seed: int) -> Any:
    """See `Binding.built`."""
    check_batch(feed.example_spec, "dataset")
    return built_for(model, feed.example_spec, seed)


def built_for(model: Any, spec: Any, seed: int) -> Any:
    """The model, or a copy of an unbuilt one with the shapes of a batch."""
    if not model.built:
        model = _built(model, spec, seed)
    if not has_unbuilt(model):
        return model
    with model.distribute_strategy.scope():
        copied = compiled_copy(model, seed)
        hold.copy_values(model, copied)
    return copied


def _built(model: Any, spec: Any, seed: int) -> Any:
    """A compiled copy of an unbuilt model, which is built for the batches."""
    inputs, _, _ = unpacked(spec)
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
    return copy


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
    listed = keras.callbacks.CallbackList(callbacks)
    # A group of steps would hide some batches from a callback.
    if listed._should_call_train_batch_hooks or listed._should_call_test_batch_hooks:
        return given
    return max(given, GROUP)


def generators_of(model: Any, seed: int, devices: Devices | None) -> dict[str, Any]:
    """See `Binding.generators_of`; all workers must call it, as it makes variables."""
    with (devices or model.distribute_strategy).scope():
        copied = copy_model(model, seed)
    return {name: each.numpy() for name, each in generators(copied).items()}


def generator(seed: int) -> Any:
    """See `Binding.generator`."""
    return tf.random.Generator.from_seed(seed).state.numpy()
