"""The optimizer of a masked model: pruned weights are invisible to it.

Gradients are masked before the optimizer sees them: before the all-reduce,
clipping, weight decay and momentum. A weight that is zero, has neutral slots
and gets a zero gradient stays zero, so nothing has to be done after the step.
"""

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from tf_lottery.bindings.shared import optimizers
from tf_lottery.bindings.shared.guard import exempt
from tf_lottery.bindings.shared.naming import last_name
from tf_lottery.bindings.shared.optimizers import LastRateBase, Slot, inner_of, neutral
from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.core.naming import unique

_HELD = "_lottery_held"

copy = optimizers.copy


def hold(optimizer: Any, masks: Mapping[Any, Any], trainable: Iterable[Any]) -> None:
    """Makes an optimizer see masked gradients, and builds it; call it in the scope.

    It may be new or legacy, also with loss scaling. Nothing is patched in Keras and
    nothing of this is serialised. `masks` are from `weight.ref()` to mask variable.
    """
    if hasattr(optimizer, _HELD):
        return
    apply = optimizer.apply_gradients

    def apply_gradients(grads_and_vars: Any, *args: Any, **kwargs: Any) -> Any:
        masked = [(_mask(g, masks.get(v.ref())), v) for g, v in grads_and_vars]
        with exempt():
            return apply(masked, *args, **kwargs)

    created = _build(optimizer, list(trainable))
    optimizer.apply_gradients = apply_gradients
    # A plain dict on the instance: Keras neither tracks nor saves it.
    object.__setattr__(optimizer, _HELD, created)


def slots(optimizer: Any, weight: Any) -> list[Slot]:
    """The slots of a weight in a held optimizer."""
    found: list[Slot] = getattr(optimizer, _HELD, {}).get(weight.ref(), [])
    return found


def variables(optimizer: Any, weights: Mapping[str, Any]) -> dict[str, Any]:
    """All variables by name: slots, iterations, learning rate, loss scale.

    The slots of a held optimizer are named after the path of their weight, as in
    "hidden/kernel/m".
    """
    named: dict[str, Any] = {}
    for path, weight in weights.items():
        for slot in slots(optimizer, weight):
            named[unique(f"{path}/{slot.name}", named)] = slot.variable
    seen = {id(variable) for variable in named.values()}
    for variable in _all(optimizer):
        if id(variable) not in seen:
            named[unique(variable.name.split(":")[0], named)] = variable
    return named


def copy_values(model: Any, copied_model: Any) -> None:
    """Gives a compiled copy the iterations, rates and slots of a model's optimizer.

    Training continues from there.
    """
    source, copied = model.optimizer, copied_model.optimizer
    weights, mine = named_weights(model), named_weights(copied_model)
    pairs: list[tuple[Any, Any]] = []
    for path in weights.keys() & mine.keys():
        theirs = _listed_slots(source, weights[path])
        ours = _listed_slots(copied, mine[path])
        pairs += [(theirs[name], ours[name]) for name in theirs if name in ours]
    done = {id(found) for found, _ in pairs}
    there, here = _scalars(source), _scalars(copied)
    pairs += [(there[name], here[name]) for name in there if name in here]
    for found, variable in pairs:
        variable.assign(found.numpy())
    left = [v for v in _all(source) if id(v) not in done and len(v.shape)]
    if left and int(source.iterations.numpy()):
        raise ValueError(
            "An optimizer that was used must keep its slots in lists, as Keras' own "
            f"do, to be copied. Received: {type(source).__name__}, whose "
            f"{left[0].name!r} is in none. Compile the model again before a search."
        )


def hold_last_rate(optimizer: Any, steps: int) -> None:
    """Replaces a learning rate schedule by its `LastRate`."""
    inner = inner_of(optimizer)
    legacy = hasattr(inner, "get_slot_names")
    rate = inner._hyper["learning_rate"] if legacy else inner._learning_rate
    if not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return
    if legacy:
        inner._set_hyper("learning_rate", LastRate(rate, steps))
    else:
        inner._learning_rate = LastRate(rate, steps)


@keras.saving.register_keras_serializable("tf_lottery")
class LastRate(LastRateBase, keras.optimizers.schedules.LearningRateSchedule):
    """Keeps the last rate of a schedule, see `LastRateBase`."""

    schedules = keras.optimizers.schedules

    def __call__(self, step: Any) -> Any:
        return self.schedule(tf.minimum(tf.cast(step, tf.int64), self.steps - 1))


def _mask(gradient: Any, mask: Any) -> Any:
    if gradient is None or mask is None:
        return gradient
    mask = tf.cast(mask, gradient.dtype)
    if isinstance(gradient, tf.IndexedSlices):  # Embedding: stays sparse
        rows = tf.gather(mask, gradient.indices)
        values = tf.math.multiply_no_nan(gradient.values, rows)
        return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
    # NaN where the mask is 0 becomes 0, too.
    return tf.math.multiply_no_nan(gradient, mask)


def _build(optimizer: Any, trainable: list[Any]) -> dict[Any, list[Slot]]:
    """Creates the slots, and returns them by the weight they belong to."""
    inner = inner_of(optimizer)
    if hasattr(inner, "get_slot_names"):
        inner._create_all_weights(trainable)
        return {weight.ref(): _legacy_slots(inner, weight) for weight in trainable}
    created: dict[Any, list[Slot]] = {}
    add = inner.add_variable_from_reference

    # Optimizers may pass the arguments by these names.
    def add_and_note(
        model_variable: Any, variable_name: str, *args: Any, **kwargs: Any
    ) -> Any:
        variable = add(model_variable, variable_name, *args, **kwargs)
        slot = Slot(variable_name, variable, neutral(variable.numpy()))
        created.setdefault(model_variable.ref(), []).append(slot)
        return variable

    inner.add_variable_from_reference = add_and_note
    optimizer.build(trainable)
    del inner.add_variable_from_reference  # the class's again
    return created


def _legacy_slots(inner: Any, weight: Any) -> list[Slot]:
    found = []
    for name in inner.get_slot_names():
        # An optimizer may keep a slot for some weights only.
        with contextlib.suppress(KeyError):
            variable = inner.get_slot(weight, name)
            found.append(Slot(name, variable, neutral(variable.numpy())))
    return found


def _all(optimizer: Any) -> list[Any]:
    """The variables of an optimizer, each once."""
    listed = optimizer.variables
    # `variables` is a method in legacy optimizers, a callable list in new ones.
    listed = list(listed) if isinstance(listed, list) else listed()
    found = [v for v in [*listed, *_tracked(optimizer)] if isinstance(v, tf.Variable)]
    return list({id(variable): variable for variable in found}.values())


def _tracked(optimizer: Any) -> list[Any]:
    attributes = set(vars(optimizer))
    tracked = list(tf.train.TrackableView(optimizer).descendants())
    for name in vars(optimizer).keys() - attributes:  # the view notes what it found
        object.__delattr__(optimizer, name)
    return tracked


def _scalars(optimizer: Any) -> dict[str, Any]:
    """Iterations, rates and loss scale, by the last part of their names."""
    variables = (v for v in _tracked(optimizer) if isinstance(v, tf.Variable))
    scalars = (variable for variable in variables if not len(variable.shape))
    return {last_name(variable): variable for variable in scalars}


def _listed_slots(optimizer: Any, weight: Any) -> dict[str, Any]:
    """The slots of a weight, by the list of the optimizer that they are in."""
    inner = inner_of(optimizer)
    if hasattr(inner, "get_slot_names"):
        return {slot.name: slot.variable for slot in _legacy_slots(inner, weight)}
    places: Mapping[str, int] = getattr(inner, "_index_dict", {})
    place = places.get(inner._var_key(weight))
    if place is None:
        return {}
    return {
        name: listed[place]
        for name, listed in vars(inner).items()
        if isinstance(listed, list) and len(listed) == len(places)
        if name != "_variables" and isinstance(listed[place], tf.Variable)
    }
