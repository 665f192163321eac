"""The optimizer of a masked model: pruned weights are invisible to it.

Gradients are masked before the optimizer sees them: after the loss is unscaled, before
clipping, weight decay and momentum. A weight that is zero, has neutral slots and gets a
zero gradient stays zero. Masks are variables of the optimizer, so that a compiled step
takes them as inputs. All backends apply gradients by `optimizer.apply`.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_lottery.bindings.keras3._imports import backend, keras
from tf_lottery.bindings.keras3.arrays import array_of
from tf_lottery.bindings.keras3.process import serialising
from tf_lottery.bindings.shared import optimizers
from tf_lottery.bindings.shared.guard import exempt
from tf_lottery.bindings.shared.optimizers import LastRateBase, Slot, neutral
from tf_lottery.core.naming import unique
from tf_lottery.core.words import warn

# Attributes of a masked model, and of its optimizer.
MASKS = "_lottery_masks"
_HELD = "_lottery_held"
# Optimizers whose update mixes the entries of a matrix, so that zeros do not stay.
_MIXING = ("Muon",)
# Optimizers to which a pruned weight is not invisible, and why.
NOT_INVISIBLE = {
    "Muon": "makes the rows of an update orthogonal, zeros included",
    "Adafactor": "keeps means over rows and columns, zeros included",
}

inner_of = optimizers.inner_of


@dataclass(frozen=True)
class Held:
    """What is known of a held optimizer: masks, and the slots of weights, by path."""

    masks: Mapping[str, Any]
    slots: Mapping[str, Sequence[Slot]]


def hold(
    optimizer: Any,
    weights: Mapping[str, Any],
    masked: Mapping[str, Any],
    trainable: Any,
) -> dict[str, Any]:
    """Builds an optimizer that sees masked gradients; returns the masks by path.

    Args:
        optimizer: A new one, also with loss scaling. Its class is not changed, and
            nothing of this is saved.
        weights: All weights of the model, by path.
        masked: Those that get a mask, by path.
        trainable: The weights that are trained.
    """
    inner = inner_of(optimizer)
    slots = _build(optimizer, inner, weights, trainable)
    masks = {
        path: inner.add_variable(
            shape=weight.shape,
            dtype="bool",
            initializer="ones",
            name=f"mask_of_{path.replace('/', '_')}",
            aggregation="only_first_replica",
        )
        for path, weight in masked.items()
    }
    pairs = [(weight, masks[path]) for path, weight in masked.items()]
    vars(inner)["apply"] = _masking(inner, pairs)
    for each in (inner, optimizer):  # Keras saves both
        vars(each)["save_own_variables"] = functools.partial(_save, each)
        vars(each)["load_own_variables"] = functools.partial(_load, each)
        vars(each)[_HELD] = Held(masks, slots)
    return masks


def masks_of(model: Any) -> dict[str, Any]:
    """The mask variables of a model, by the path of their weight."""
    masks: dict[str, Any] = vars(model).get(MASKS, {})
    return masks


def slots_of(model: Any) -> Mapping[str, Sequence[Slot]]:
    """The slots of each weight of a compiled model with masks, by its path."""
    optimizer = getattr(model, "optimizer", None)
    found: Held | None = vars(optimizer).get(_HELD) if optimizer else None
    return found.slots if found else {}


def variables(optimizer: Any) -> dict[str, Any]:
    """All variables of a held optimizer by name, without masks.

    Slots are named after the path of their weight, as in "hidden/kernel/momentum". What
    variables are called themselves depends on the names that Keras counts.
    """
    found: Held = vars(optimizer)[_HELD]
    named: dict[str, Any] = {}
    for path, slots in found.slots.items():
        for slot in slots:
            named[unique(f"{path}/{slot.name}", named)] = slot.variable
    seen = {id(variable) for variable in (*named.values(), *found.masks.values())}
    for variable in optimizer.variables:
        if id(variable) not in seen:
            seen.add(id(variable))
            named[unique(variable.name, named)] = variable
    return named


def copy(optimizer: Any) -> Any:
    """A fresh optimizer of the same configuration, without state."""
    with serialising():
        return optimizers.copy(optimizer)


def copy_values(source: Any, copied: Any) -> None:
    """Gives a held optimizer the iterations, rates and slots of the one it copies.

    Training continues from there.
    """
    mine = list(variables_in_order(copied))
    theirs = list(source.variables)
    if len(theirs) != len(mine):
        if int(array_of(inner_of(source)._iterations)):
            raise ValueError(
                "An optimizer that was used must make the same variables when it is "
                f"built again. Received: {type(source).__name__}, which has "
                f"{len(theirs)} variables, and a copy of it {len(mine)}. Compile the "
                "model again before a search."
            )
        return  # it was not built, and has its first values
    for found, variable in zip(theirs, mine, strict=True):
        variable.assign(array_of(found))


def variables_in_order(optimizer: Any) -> list[Any]:
    """The variables of a held optimizer as Keras lists them, without masks."""
    masks = {id(mask) for mask in vars(optimizer)[_HELD].masks.values()}
    return [variable for variable in optimizer.variables if id(variable) not in masks]


def hold_last_rate(optimizer: Any, steps: int) -> None:
    """Replaces a learning rate schedule by its `LastRate`."""
    inner = inner_of(optimizer)
    rate = inner._learning_rate
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        inner._learning_rate = LastRate(rate, steps)


@keras.saving.register_keras_serializable("tf_lottery")
class LastRate(LastRateBase, keras.optimizers.schedules.LearningRateSchedule):
    """Keeps the last rate of a schedule, see `LastRateBase`."""

    schedules = keras.optimizers.schedules

    def __call__(self, step: Any) -> Any:
        return self.schedule(keras.ops.minimum(step, self.steps - 1))


def masked(value: Any, mask: Any) -> Any:
    """What a mask keeps of a value."""
    mask = keras.ops.convert_to_tensor(mask)
    return keras.ops.where(mask, value, keras.ops.zeros_like(value))


def _masking(inner: Any, pairs: Sequence[tuple[Any, Any]]) -> Any:
    """What applies gradients in place of the method `apply`."""
    apply, masks = inner.apply, {id(weight): mask for weight, mask in pairs}
    mixes = any(kind.__name__ in _MIXING for kind in type(inner).__mro__)

    def masked_apply(grads: Any, trainable_variables: Any = None) -> Any:
        if trainable_variables is None:
            given = inner._trainable_variables
        else:
            given = trainable_variables = list(trainable_variables)
        kept = list(grads)
        for number, weight in enumerate(given):
            if id(weight) in masks and kept[number] is not None:
                mask = masks[id(weight)].value
                kept[number] = backend.masked(kept[number], mask)
        with exempt():
            apply(kept, trainable_variables)
            for weight, mask in pairs if mixes else ():
                weight.assign(masked(keras.ops.convert_to_tensor(weight), mask))

    return masked_apply


def _save(optimizer: Any, store: Any) -> None:
    """Saves an optimizer so that Keras can load it: without masks."""
    for number, variable in enumerate(variables_in_order(optimizer)):
        store[str(number)] = array_of(variable)


def _load(optimizer: Any, store: Any) -> None:
    """Loads what `_save` and Keras save; masks stay, and slots become neutral there."""
    mine = variables_in_order(optimizer)
    saved = [np.asarray(store[str(number)]) for number in range(len(store.keys()))]
    shapes = [[tuple(each.shape) for each in them] for them in (saved, mine)]
    if shapes[0] != shapes[1]:
        warn(
            "The saved state of an optimizer must be of the same optimizer and model. "
            f"Received: {len(saved)} variables for the {len(mine)} of "
            f"{optimizer.name!r}, or others. Weights are loaded, and the optimizer "
            "stays as it is: compile the model as the saved one was."
        )
        return
    held: Held = vars(optimizer)[_HELD]
    kept = {
        id(slot.variable): (array_of(mask), slot.neutral)
        for path, mask in held.masks.items()
        for slot in held.slots.get(path, ())
        if slot.variable.shape == mask.shape
    }
    for variable, value in zip(mine, saved, strict=True):
        mask, neutral = kept.get(id(variable), (True, value))
        variable.assign(np.where(mask, value, neutral))


def _build(
    optimizer: Any, inner: Any, weights: Mapping[str, Any], trainable: Any
) -> dict[str, list[Slot]]:
    """Creates the slots, and returns them by the path of their weight."""
    paths = {id(weight): path for path, weight in weights.items()}
    created: dict[str, list[Slot]] = {}
    add = inner.add_variable_from_reference

    # Optimizers may pass the arguments by these names.
    def add_and_note(
        reference_variable: Any, name: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        variable = add(reference_variable, name, *args, **kwargs)
        if (path := paths.get(id(reference_variable))) is not None:
            slot = Slot(name or "var", variable, neutral(array_of(variable)))
            created.setdefault(path, []).append(slot)
        return variable

    vars(inner)["add_variable_from_reference"] = add_and_note
    try:
        optimizer.build(trainable)
    finally:
        del vars(inner)["add_variable_from_reference"]
    return created
