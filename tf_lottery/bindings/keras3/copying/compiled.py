"""Compiled copies of a model, with or without masks."""

import functools
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from tf_lottery.bindings.keras3 import hold
from tf_lottery.bindings.keras3._imports import keras
from tf_lottery.bindings.keras3.arrays import array_of
from tf_lottery.bindings.keras3.copying.copier import Copier
from tf_lottery.bindings.keras3.devices import scope_of
from tf_lottery.bindings.keras3.layers import named_weights, weights_to_mask
from tf_lottery.bindings.keras3.states import seed
from tf_lottery.bindings.shared.guard import exempt, guard


def copy_model(model: Any, optimizer: Any = None) -> Any:
    """A copy that is compiled as the model is, with an unbuilt optimizer.

    That is `optimizer`; by default, one of the configuration of the model's own.
    """
    with scope_of(model):
        own = getattr(model, "optimizer", None)
        known = []
        if own is not None:
            mine = hold.copy(own) if optimizer is None else optimizer
            known = [(own, mine)]
            if (inner := hold.inner_of(own)) is not own:
                known.append((inner, hold.inner_of(mine)))
        return Copier(*known).copied(model)


def masked_copy(
    model: Any,
    number: int,
    *,
    asked: Collection[str] = (),
    held: Collection[str] = (),
    optimizer: Any = None,
) -> Any:
    """A copy of a built model that holds masks, which are all ones.

    Random layers begin from a seed, `number`. `asked` are keys of `layer_rates`, see
    `asked_for`; `held` are paths of weights that get a mask in any case, frozen or not,
    as a ticket has one for them.
    """
    copied = copy_model(model, optimizer)
    seed(copied, number)
    masked = weights_to_mask(copied, asked, held)
    _hold(copied, masked)
    compile_model = copied.compile

    def compile(*args: Any, **kwargs: Any) -> None:
        compile_model(*args, **kwargs)
        _hold(copied, masked)

    vars(copied)["compile"] = compile  # a second `compile` must not lose the masks
    if sync := getattr(copied, "jax_state_sync", None):
        # It assigns what a step on JAX returned, one variable after another.
        vars(copied)["jax_state_sync"] = exempt()(sync)
    return copied


def _hold(model: Any, masked: Mapping[str, Any]) -> None:
    """Gives weights their masks, in the optimizer of a model that is compiled."""
    before, optimizer = hold.masks_of(model), getattr(model, "optimizer", None)
    with scope_of(model):
        if optimizer is None:
            masks = {path: _ones(weight) for path, weight in masked.items()}
        else:
            weights, trained = named_weights(model), model.trainable_variables
            masks = hold.hold(optimizer, weights, masked, trained)
    for path, mask in masks.items():
        if path in before:
            mask.assign(array_of(before[path]))
        vars(masked[path]).pop("assign", None)  # by the mask before
        guard(masked[path], functools.partial(_kept, mask), "assign")
    vars(model)[hold.MASKS] = masks


def _ones(weight: Any) -> Any:
    ones = np.ones(tuple(weight.shape), bool)
    return keras.Variable(ones, dtype="bool", trainable=False, name="mask")


def _kept(mask: Any, value: Any) -> Any:
    scoped = keras.src.backend.common.stateless_scope.in_stateless_scope()
    if mask._value is None and not scoped:
        return value  # of Keras' `fit` on JAX, where steps have kept zeros
    value = keras.ops.convert_to_tensor(value)
    if tuple(value.shape) != tuple(mask.shape):
        return value  # `assign` refuses it; a mask must not stretch it
    return hold.masked(value, mask)
