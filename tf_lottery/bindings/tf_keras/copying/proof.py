"""The proof that a copy is the user's model, before anything is trained.

A copy has the weights of the original by path, gives its outputs and losses bit for
bit, and reads none of its variables.
"""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from tf_lottery.bindings.shared.objects import items
from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.copying import differing
from tf_lottery.bindings.tf_keras.copying.attributes import own_attributes
from tf_lottery.bindings.tf_keras.copying.copier import check_paths
from tf_lottery.bindings.tf_keras.layers import inner_layers, named_weights
from tf_lottery.bindings.tf_keras.states import kept
from tf_lottery.bindings.tf_shared.data.arrays import head
from tf_lottery.core.words import warn

Seeded = Callable[[], contextlib.AbstractContextManager[Any]]

_EXAMPLES = 2
_ROWS = 16  # of a batch that is given
_OPEN = 16  # the size of an axis of unknown length
_ROUNDING = 1e-5


def prove(copied: Any, model: Any, seeded: Seeded, inputs: Any = None) -> None:
    """Raises unless a copy, with all weights kept, does what the model does.

    `seeded` makes a context in which equal random operations draw equal numbers.
    `inputs` is a batch of the data; by default, numbers are drawn at random.
    """
    mine, theirs = named_weights(copied), named_weights(model)
    check_paths(mine, theirs, model)
    if frozen := sorted(_trained(copied, mine) ^ _trained(model, theirs)):
        raise ValueError(
            "A copy of the model must train the same weights. Received: "
            f"{frozen[0]!r}, which is frozen in one of them. Set `trainable` on a "
            "whole layer of the model."
        )
    shared = {id(variable) for variable in model.variables}
    for path, weight in mine.items():
        if id(weight) in shared:
            _refuse(path, "which is the weight of the model itself")
    differing.check_added_losses(copied, model)
    _check_outputs(copied, model, seeded, inputs)


def check_captures(
    function: Any, model: Any, known: Iterable[Any], copied: Any
) -> None:
    """Raises if a step of a copy reads a variable that a ticket would lack.

    The step is a concrete function. It may read the variables that are `known`, as they
    are rewound or reset, and none of the model.
    """
    handles = {
        id(part.handle): path
        for path, weight in named_weights(model).items()
        for part in _parts(weight)
    }
    for captured in function.captured_inputs:
        if path := handles.get(id(captured)):
            _refuse(path, "which a function reaches by a closure or a global name")
    rewound = {id(part.handle) for each in known for part in _parts(each)}
    other = [v for v in function.variables if id(v.handle) not in rewound]
    read = {id(v.handle) for v in other}
    for name, value in own_attributes(copied):
        for each in items(value):
            new = isinstance(each, keras.optimizers.Optimizer)
            if not new or each is copied.optimizer:
                continue
            if read & {id(v.handle) for v in each.variables}:
                raise ValueError(
                    "A model must be trained by one optimizer, `self.optimizer`, which "
                    f"is rewound and masks pruned weights. Received: {name!r} "
                    f"({type(each).__name__}), a second optimizer that the training "
                    "step uses. If it is the only one, set `self.optimizer` to it."
                )
    if other:
        names = sorted({variable.name.split(":")[0] for variable in other})
        raise ValueError(
            "All variables of a training step must belong to the model to be rewound "
            f"with it. Received: {', '.join(map(repr, names[:5]))}, which belong to a "
            "function, or to an object that Keras does not track. Make each an "
            "attribute of the model."
        )


def _trained(model: Any, weights: Mapping[str, Any]) -> set[str]:
    trained = {id(weight) for weight in model.trainable_weights}
    return {path for path, weight in weights.items() if id(weight) in trained}


def _parts(variable: Any) -> list[Any]:
    """The variables of the replicas of one."""
    return list(getattr(variable, "values", None) or [variable])


def _refuse(path: str, how: str) -> None:
    raise ValueError(
        "The copy that is searched must have variables of its own. Received: a model "
        f"that uses {path!r}, {how}: it would be neither trained, pruned nor rewound. "
        "Let the layer that owns the weight do the computation, or reach the weight by "
        "`self` in a method of the model's class."
    )


def _check_outputs(copied: Any, model: Any, seeded: Seeded, given: Any) -> None:
    def compute(each: Any, inputs: Any) -> tuple[list[Any], list[Any]]:
        with _unchanged(each), seeded():
            outputs = tf.nest.flatten(each(inputs, training=False))
            return outputs, list(map(tf.convert_to_tensor, each.losses))

    inputs, wanted = _computed(model, compute, given)
    if wanted is None:
        return
    again = compute(model, inputs)
    if not _equal(again, wanted, _ROUNDING):
        _warn_not_compared("it draws at random where it is not trained, too")
        return
    tolerance = 0.0 if _equal(again, wanted, 0.0) else _ROUNDING
    equal = functools.partial(_equal, tolerance=tolerance)
    try:
        outputs, losses = compute(copied, inputs)
    except Exception as error:  # layers raise whatever they like
        differing.refuse_failing(model, error)
    if not equal(outputs, wanted[0]):
        layer = differing.first_differing(copied, model, equal, inputs)
        differing.refuse_differing(model, layer, losses_only=False)
    if not equal(losses, wanted[1]):
        differing.refuse_differing(model, None, losses_only=True)


def _computed(model: Any, compute: Any, given: Any) -> tuple[Any, Any]:
    """Inputs that the model takes, and what it computes of them; else None."""
    said, fixed = "", any(tensor.shape[0] is not None for tensor in model.inputs)
    for batch in (None,) if given is None else (given, None):
        try:
            inputs = _drawn(model) if batch is None else batch
            inputs = inputs if fixed else head(inputs, 0, _ROWS)
            return inputs, compute(model, inputs)
        except (ValueError, TypeError, LookupError, tf.errors.OpError) as error:
            said = said or differing.in_words(error)
    _warn_not_compared(f"it takes no inputs that are drawn at random ({said})")
    return None, None


def _warn_not_compared(why: str) -> None:
    warn(
        "The copy of the model that is searched could not be compared with the model "
        f"before training: {why}. Check that every layer's `get_config()` is complete, "
        "or pass arrays, whose first rows are used for the comparison."
    )


def _drawn(model: Any) -> Any:
    """Random inputs: normal numbers, 0 and 1 as integers, letters as strings."""
    draw = np.random.default_rng(0)

    def drawn(tensor: Any) -> Any:
        shape = [_OPEN if size is None else size for size in tensor.shape[1:]]
        shape, dtype = [_EXAMPLES, *shape], tensor.dtype
        if dtype == tf.string:
            values = tf.constant(draw.choice(["a", "b"], shape))
        elif dtype.is_floating:
            values = tf.cast(draw.normal(size=shape), dtype)
        else:
            values = tf.cast(draw.integers(0, 2, shape), dtype)
        spec = tensor.type_spec
        if isinstance(spec, tf.SparseTensorSpec):
            return tf.sparse.from_dense(values)
        if isinstance(spec, tf.RaggedTensorSpec):
            return tf.RaggedTensor.from_tensor(values, ragged_rank=spec.ragged_rank)
        return values

    return tf.nest.pack_sequence_as(model.input, list(map(drawn, model.inputs)))


@contextlib.contextmanager
def _unchanged(model: Any) -> Iterator[None]:
    """Undoes what a call may change: states, statistics, metrics, attributes."""
    changing = list(model.non_trainable_variables)
    for _, part in inner_layers(model):
        changing += tf.nest.flatten(getattr(part, "states", None) or [])
    variables = {id(v): v for v in changing if isinstance(v, tf.Variable)}
    parts = list(model._flatten_layers())
    attributes = [set(vars(part)) for part in parts]
    with kept(variables.values()):
        try:
            yield
        finally:
            for part, names in zip(parts, attributes, strict=True):
                for name in vars(part).keys() - names:  # Keras notes what it called
                    object.__delattr__(part, name)


def _equal(some: Any, others: Any, tolerance: float) -> bool:
    """Whether two structures of tensors hold equal values."""
    flat, other = (
        list(map(np.asarray, tf.nest.flatten(each, expand_composites=True)))
        for each in (some, others)
    )
    alike = functools.partial(_is_equal, tolerance=tolerance)
    return len(flat) == len(other) and all(map(alike, flat, other))


def _is_equal(one: Any, other: Any, tolerance: float) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.kind == "O":  # strings
        return np.array_equal(one, other)
    if not tolerance or one.dtype.kind not in "fcV":
        return bool(one.tobytes() == other.tobytes())
    wide = np.complex128 if one.dtype.kind == "c" else np.float64
    one, other = one.astype(wide), other.astype(wide)
    return np.allclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True)
