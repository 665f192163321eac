"""The proof that a copy is the user's model, before anything is trained.

A copy has the class of the original, its weights by path, gives its outputs and losses
bit for bit, and reads none of its variables.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tf_lottery._keras import tf
from tf_lottery.pruning.copying import check_paths
from tf_lottery.pruning.layers import named_layers, named_weights

Seeded = Callable[[], contextlib.AbstractContextManager[Any]]

_EXAMPLES = 2
_ROWS = 16  # of a batch that is given
_OPEN = 16  # the size of an axis of unknown length
_ROUNDING = 1e-5


def prove(copied: Any, model: Any, seeded: Seeded, inputs: Any = None) -> None:
    """Raises unless a copy does what the model does.

    Args:
        copied: A copy, wrapped or not, with all weights kept.
        model: The original; it is not changed.
        seeded: Makes a context in which equal random operations draw equal numbers.
        inputs: A batch of what the model will see; default: drawn by chance.

    Raises:
        ValueError: What differs, and what to do.
    """
    if type(copied) is not type(model):
        raise ValueError(
            f"The copy that is searched must have the class of the model. Received: "
            f"{type(copied).__name__} for {type(model).__name__}."
        )
    mine, theirs = named_weights(copied), named_weights(model)
    check_paths(mine, theirs, model)
    trained = [
        {id(weight) for weight in each.trainable_weights} for each in (copied, model)
    ]
    for path, weight in theirs.items():
        if (id(weight) in trained[1]) != (id(mine[path]) in trained[0]):
            raise ValueError(
                "A copy of the model must train the same weights. Received: "
                f"{path!r}, which is frozen in one of them. Set `trainable` on a whole "
                "layer of the model."
            )
    shared = {id(variable) for variable in model.variables}
    for path, weight in mine.items():
        if id(weight) in shared:
            _refuse(path, "which is the weight of the model itself")
    inputs = _inputs(model) if inputs is None else _first(inputs, model)
    _check_outputs(copied, model, seeded, inputs)


def check_captures(function: Any, model: Any, known: Iterable[Any]) -> None:
    """Raises if a traced function reads a variable that no ticket would have.

    Args:
        function: A concrete function of the copy: its training step.
        model: The original, of which it must read none.
        known: The variables that are rewound, or reset.
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
    if other:
        names = sorted({variable.name.split(":")[0] for variable in other})
        raise ValueError(
            "All variables of a training step must belong to the model, so that they "
            f"are rewound with it. Received: {', '.join(map(repr, names[:5]))}, which "
            "are variables of a function, or of a second optimizer. Make a variable an "
            "attribute of the model, and compile the model with its optimizer."
        )


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


def _check_outputs(copied: Any, model: Any, seeded: Seeded, inputs: Any) -> None:
    def compute(each: Any) -> list[Any]:
        with _unchanged(each), seeded():
            outputs = tf.nest.flatten(each(inputs, training=False))
            losses = map(tf.convert_to_tensor, each.losses)
            return [_dense(tensor) for tensor in (*outputs, *losses)]

    try:
        wanted, again = compute(model), compute(model)
    except (ValueError, TypeError, tf.errors.OpError):
        return  # it checks its inputs, and takes none that are drawn by chance
    if not _all_equal(again, wanted, _ROUNDING):
        return  # it draws by chance where it is not trained, too
    repeats = _all_equal(again, wanted, 0.0)
    if not _all_equal(compute(copied), wanted, 0.0 if repeats else _ROUNDING):
        raise ValueError(
            "A copy of the model must give the model's outputs and losses. Received: "
            f"{model.name!r} ({type(model).__name__}), whose copy gives others. Does a "
            "layer hold something that its `get_config()` does not say, or was one "
            "changed after it was made? Complete its `get_config()`."
        )


def _first(inputs: Any, model: Any) -> Any:
    """The first rows of a batch, where a model takes any number."""
    fixed = any(tensor.shape[0] is not None for tensor in model.inputs)
    sparse = any(isinstance(t, tf.SparseTensor) for t in tf.nest.flatten(inputs))
    if fixed or sparse:
        return inputs
    return tf.nest.map_structure(lambda tensor: tensor[:_ROWS], inputs)


def _inputs(model: Any) -> Any:
    """Inputs by chance: normal numbers, 0 and 1 as integers, letters as strings."""
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
        if isinstance(tensor.type_spec, tf.SparseTensorSpec):
            return tf.sparse.from_dense(values)
        if isinstance(tensor.type_spec, tf.RaggedTensorSpec):
            return tf.RaggedTensor.from_tensor(
                values, ragged_rank=tensor.type_spec.ragged_rank
            )
        return values

    inputs = [drawn(tensor) for tensor in model.inputs]
    return tf.nest.pack_sequence_as(model.input, inputs)


@contextlib.contextmanager
def _unchanged(model: Any) -> Iterator[None]:
    """Gives what a call may change its values back: states, statistics, metrics."""
    changing = list(model.non_trainable_variables)
    for layer in named_layers(model).values():
        for part in layer._flatten_layers():
            changing += tf.nest.flatten(getattr(part, "states", None) or [])
    variables = {id(v): v for v in changing if isinstance(v, tf.Variable)}
    before = [(variable, variable.numpy()) for variable in variables.values()]
    parts = list(model._flatten_layers())
    attributes = [set(vars(part)) for part in parts]
    try:
        yield
    finally:
        for part, names in zip(parts, attributes, strict=True):
            for name in vars(part).keys() - names:  # Keras notes what it was called on
                object.__delattr__(part, name)
        for variable, value in before:
            variable.assign(value)


def _all_equal(some: list[Any], others: list[Any], tolerance: float) -> bool:
    return len(some) == len(others) and all(
        _is_equal(one, other, tolerance)
        for one, other in zip(some, others, strict=True)
    )


def _is_equal(one: Any, other: Any, tolerance: float) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if not tolerance or one.dtype.kind not in "fcV":
        return bool(one.tobytes() == other.tobytes())
    one, other = one.astype(np.float64), other.astype(np.float64)
    return np.allclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True)


def _dense(tensor: Any) -> Any:
    if isinstance(tensor, tf.SparseTensor):
        tensor = tf.sparse.to_dense(tensor)
    if isinstance(tensor, tf.RaggedTensor):
        tensor = tensor.flat_values
    return np.asarray(tensor)
