"""What must hold of a model and its data before anything is trained."""

import inspect
import sys
from collections.abc import Sequence
from typing import Any

from tf_lottery._keras import keras
from tf_lottery.core.masks import Masks
from tf_lottery.core.plan import Plan
from tf_lottery.pruning.wrap import wrappers


def check_model(model: Any) -> None:
    """Raises unless the model is a compiled Sequential or functional tf_keras model.

    Raises:
        TypeError: Not a model, or one of Keras 3.
        ValueError: Subclassed, or not compiled.
    """
    check_keras(model)
    if not isinstance(model, keras.Model):
        raise TypeError(
            "`model` must be a compiled tf_keras model, or a function without "
            f"arguments that returns one. Received: {type(model).__name__}."
        )
    for part in model._flatten_layers():
        subclassed = isinstance(part, keras.Model) and not part._is_graph_network
        if subclassed and not isinstance(part, keras.Sequential):
            raise ValueError(
                "The model, and models inside it, must be Sequential or functional, so "
                f"that they can be copied. Received: {type(part).__name__}, a "
                "subclassed model. Use its layers in `keras.Model(inputs, outputs)`."
            )
    if wrappers(model):
        raise ValueError(
            "The model must not be wrapped by tfmot yet; a search wraps a copy of it. "
            "Received: a model with pruning wrappers, such as `ticket.model()`. Use "
            "`tfmot.sparsity.keras.strip_pruning` first, and compile it."
        )
    if not model._is_compiled:
        raise ValueError(
            "The model must be compiled, so that `find_ticket` knows its loss and "
            "optimizer. Call `model.compile(...)` first."
        )
    exclusions = ("_exclude_from_weight_decay", "_exclude_from_weight_decay_names")
    if any(getattr(model.optimizer, name, None) for name in exclusions):
        raise ValueError(
            "The optimizer must be all that its configuration says. Received: one with "
            "`exclude_from_weight_decay`, which no copy of it would have. Give the "
            "layers whose weights shall decay a `kernel_regularizer` instead."
        )


def check_keras(model: Any) -> None:
    """Raises if the model is made by Keras 3."""
    keras3 = sys.modules.get("keras")
    if isinstance(model, keras.Model) or keras3 is None:
        return
    if isinstance(model, getattr(keras3, "Model", ())):
        raise TypeError(
            "The model must be a tf_keras model, as tfmot cannot prune others. "
            f"Received: a Keras {keras3.__version__} model. Make it after "
            "`import tf_keras as keras`."
        )


def check_is_plan(plan: Any) -> None:
    """Raises unless it is a plan: labels may have come in its place, as in `fit`."""
    if not isinstance(plan, Plan):
        raise TypeError(
            "`plan` must be a tf_lottery.Plan. Received: "
            f"{type(plan).__name__}. Pass arrays as one argument: `(x, y)`."
        )


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


def check_prunable(masks: Masks, model: Any) -> None:
    """Raises if there is nothing to prune."""
    if not masks:
        layers = ", ".join(f"{la.name} ({type(la).__name__})" for la in model.layers)
        raise ValueError(
            "The model must have a trainable kernel that can be pruned. "
            f"Received: a model with none, of {layers}."
        )


def check_plan(plan: Plan, steps_per_epoch: int, monitors: Sequence[str]) -> None:
    """Raises unless the plan can be followed: its monitor and its step to rewind to."""
    last_step = plan.last_step(steps_per_epoch)
    if plan.rewind_step(steps_per_epoch) >= last_step:
        raise ValueError(
            f"`rewind_to` must be before the last step of training, {last_step}. "
            f"Received: rewind_to={plan.rewind_to!r}."
        )
    if plan.monitor not in (None, *monitors):
        raise ValueError(
            f"`monitor` must be one of {', '.join(map(repr, monitors))}. "
            f"Received: monitor={plan.monitor!r}."
        )
