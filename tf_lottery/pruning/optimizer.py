"""The optimizer of a masked model: pruned weights are no parameters of it.

Gradients are masked before the optimizer sees them: before the all-reduce,
clipping, weight decay and momentum. A weight that is zero, has neutral slots
and gets a zero gradient stays zero, so nothing has to be done after the step.
"""

import contextlib
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_lottery._keras import keras, tf
from tf_lottery.pruning.layers import unique

_HELD = "_lottery_held"


@dataclass(frozen=True)
class Slot:
    """A variable the optimizer keeps for a weight, and its value before step 1."""

    variable: Any
    neutral: Any


def hold(optimizer: Any, masks: Mapping[Any, Any], trainable: Iterable[Any]) -> None:
    """Makes the optimizer see masked gradients, and builds it.

    Nothing is patched in Keras and nothing of this is serialised. Call it in the
    strategy's scope.

    Args:
        optimizer: Any tf_keras optimizer, new or legacy, also with loss scaling.
        masks: `weight.ref()` to mask variable.
        trainable: The model's trainable variables.
    """
    apply = optimizer.apply_gradients

    def apply_gradients(grads_and_vars: Any, *args: Any, **kwargs: Any) -> Any:
        masked = [(_mask(g, masks.get(v.ref())), v) for g, v in grads_and_vars]
        return apply(masked, *args, **kwargs)

    created = _build(optimizer, list(trainable))
    optimizer.apply_gradients = apply_gradients
    # A plain dict on the instance: Keras neither tracks nor saves it.
    held = {
        ref: [Slot(s, _neutral(s)) for s in created.get(ref, ()) if s.shape == m.shape]
        for ref, m in masks.items()
    }
    object.__setattr__(optimizer, _HELD, held)


def slots(optimizer: Any, weight: Any) -> list[Slot]:
    """The slots of a weight in a held optimizer."""
    found: list[Slot] = getattr(optimizer, _HELD, {}).get(weight.ref(), [])
    return found


def is_held(optimizer: Any) -> bool:
    """Whether `hold` was called on it."""
    return hasattr(optimizer, _HELD)


def variables(optimizer: Any) -> dict[str, Any]:
    """All variables by name: slots, iterations, learning rate, loss scale."""
    listed = optimizer.variables
    # `variables` is a method in legacy optimizers, a callable list in new ones.
    listed = list(listed) if isinstance(listed, list) else listed()
    tracked = tf.train.TrackableView(optimizer).descendants()
    named: dict[str, Any] = {}
    seen: set[int] = set()
    for variable in [*listed, *tracked]:
        if isinstance(variable, tf.Variable) and id(variable) not in seen:
            seen.add(id(variable))
            named[unique(variable.name.split(":")[0], named)] = variable
    return named


def copy(optimizer: Any) -> Any:
    """A fresh optimizer of the same configuration, without state."""
    try:
        return type(optimizer).from_config(optimizer.get_config())
    except (NotImplementedError, TypeError, ValueError) as error:
        raise ValueError(
            "The optimizer, and its learning rate schedule, must be able to be copied "
            "by `from_config(get_config())`. "
            f"Received: {type(optimizer).__name__}: {error}"
        ) from error


def finalize(model: Any) -> bool:
    """Ends a training as Keras `fit` does; True if it changed the weights.

    An optimizer with `use_ema` then gives the weights their averages.
    """
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if not getattr(inner, "use_ema", False):
        return False
    inner.finalize_variable_values(model.trainable_variables)
    return True


def hold_last_rate(optimizer: Any, steps: int) -> None:
    """Makes a learning rate schedule keep its value from step `steps - 1` on."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    legacy = hasattr(inner, "get_slot_names")
    rate = inner._hyper["learning_rate"] if legacy else inner._learning_rate
    if not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return
    if legacy:
        inner._set_hyper("learning_rate", LastRate(rate, steps))
    else:
        inner._learning_rate = LastRate(rate, steps)


@keras.saving.register_keras_serializable("tf_lottery")
class LastRate(keras.optimizers.schedules.LearningRateSchedule):
    """Follows a schedule up to a step and keeps its last rate from there on.

    Fine-tuning continues with the last learning rate (arXiv 2003.02389), while
    the optimizer's iterations go on counting.

    Args:
        schedule: The schedule to follow.
        steps: Its last value is that of step `steps - 1`.
    """

    def __init__(self, schedule: Any, steps: int) -> None:
        self.schedule = schedule
        self.steps = steps

    def __call__(self, step: Any) -> Any:
        return self.schedule(tf.minimum(tf.cast(step, tf.int64), self.steps - 1))

    def get_config(self) -> dict[str, Any]:
        schedule = keras.optimizers.schedules.serialize(self.schedule)
        return {"schedule": schedule, "steps": self.steps}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "LastRate":
        schedule = keras.optimizers.schedules.deserialize(config["schedule"])
        return cls(schedule, config["steps"])


def _mask(gradient: Any, mask: Any) -> Any:
    if gradient is None or mask is None:
        return gradient
    if isinstance(gradient, tf.IndexedSlices):  # Embedding: stays sparse
        rows = tf.cast(tf.gather(mask, gradient.indices), gradient.dtype)
        return tf.IndexedSlices(
            gradient.values * rows, gradient.indices, gradient.dense_shape
        )
    return gradient * tf.cast(mask, gradient.dtype)


def _build(optimizer: Any, trainable: list[Any]) -> dict[Any, list[Any]]:
    """Creates the slots, and returns them by the weight they belong to."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if hasattr(inner, "get_slot_names"):
        return _build_legacy(inner, trainable)
    created: dict[Any, list[Any]] = {}
    add = inner.add_variable_from_reference

    def add_and_note(model_variable: Any, *args: Any, **kwargs: Any) -> Any:
        slot = add(model_variable, *args, **kwargs)
        created.setdefault(model_variable.ref(), []).append(slot)
        return slot

    inner.add_variable_from_reference = add_and_note
    optimizer.build(trainable)
    del inner.add_variable_from_reference  # the class's again
    return created


def _build_legacy(inner: Any, trainable: list[Any]) -> dict[Any, list[Any]]:
    inner._create_all_weights(trainable)
    created: dict[Any, list[Any]] = {}
    for weight, name in itertools.product(trainable, inner.get_slot_names()):
        # An optimizer may keep a slot for some weights only.
        with contextlib.suppress(KeyError):
            slot = inner.get_slot(weight, name)
            created.setdefault(weight.ref(), []).append(slot)
    return created


def _neutral(slot: Any) -> Any:
    """A slot's value before its first step; 0 for a copy of the weights (EMA).

    Ftrl and Adagrad start from 0.1, and a zero there would be a NaN for Ftrl.
    """
    start = slot.numpy()
    first = start.reshape(-1)[0]
    return first if np.all(start == first) else first * 0
