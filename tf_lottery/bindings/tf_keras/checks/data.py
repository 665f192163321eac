"""What must hold of data before anything is trained: of their specs.

Names of dicts are held against the model's, shapes and dtypes against its inputs, and
targets against outputs and losses. Nothing is computed.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.data import arrays

_NUMBER_THEM = (
    "Number the classes from 0, such as by `names, y = np.unique(y, "
    "return_inverse=True)`."
)
_RAISED = ValueError, TypeError, KeyError, AttributeError
_OWN_LOSS = ("test_step", "compute_loss")


def check_batch(spec: Any, name: str) -> None:
    """Raises unless a batch is x, `(x, y)` or `(x, y, sample_weight)`."""
    if isinstance(spec, tuple) and len(spec) > 3:
        raise ValueError(
            f"`{name}` must yield tuples (x, y) or (x, y, sample_weight). "
            f"Received: elements {shapes(spec)}."
        )


def check_fits(
    model: Any, spec: Any, name: str, *, is_batched: bool, traced: bool = False
) -> None:
    """Raises unless a batch of that spec fits the compiled model.

    The loss is traced on the specs, which also creates the metrics. Nothing is
    computed. A training step of the user makes its metrics itself, when it is traced:
    Keras would report those that the step does not use in place of what it returns.

    Args:
        model: The compiled model.
        spec: The element spec of a batch.
        name: What to call the data.
        is_batched: Whether the user batched the data, as opposed to arrays.
        traced: Whether the model's steps were traced before.
    """
    check_batch(spec, name)
    x, y, sample_weight = arrays.unpacked(spec)
    if not has_own(model, "train_step"):
        _check_inputs(model, x, name)
    if y is None:
        _check_needs_no_targets(model, name, is_batched)
    for part, what in ((y, "targets"), (sample_weight, "sample weights")):
        _check_names(part, output_names(model), f"The {what} of `{name}`", "outputs")
    if traced and has_own(model, "train_step"):
        return
    outputs = tf.nest.map_structure(lambda t: t.type_spec, model._nested_outputs)

    def evaluate(y: Any, outputs: Any, sample_weight: Any) -> Any:
        model.compiled_metrics.update_state(y, outputs, sample_weight)
        return model.compute_loss(None, y, outputs, sample_weight)

    @tf.function  # type: ignore[untyped-decorator]
    def on_replicas(*args: Any) -> Any:
        return model.distribute_strategy.run(evaluate, args)

    try:
        on_replicas.get_concrete_function(y, outputs, sample_weight)
    except (*_RAISED, tf.errors.InvalidArgumentError) as error:
        if has_own_loss(model):
            return  # which may take other targets
        raise ValueError(
            f"The targets of `{name}` must fit the model's outputs and loss. "
            f"Received: targets {shapes(y)} for outputs {shapes(outputs)}. "
            f"{_hint(model, y)}"
            f"Keras says: {str(error).strip().splitlines()[-1].strip()}"
        ) from error
    if not has_own_loss(model):
        _check_numbers(sample_weight, f"The sample weights of `{name}` must be numbers")
        for target, output, loss in targets(model, y):
            if kind := kind_of(loss):
                what = f"The targets of `{name}` must be numbers, as the loss is {kind}"
                _check_numbers(target, what, _NUMBER_THEM)
            _check_sparse(target, output, loss, name)


def _check_numbers(part: Any, what: str, advice: str = "Convert them.") -> None:
    """Raises of strings, at which a loss of Keras fails only when it is computed."""
    if any(each.dtype == tf.string for each in _flat(part) if each is not None):
        raise ValueError(f"{what}. Received: strings. {advice}")


def check_can_be_shared(model: Any, spec: Any, name: str) -> None:
    """Raises if ragged or sparse rows would have to be shared among replicas."""
    several = model.distribute_strategy.num_replicas_in_sync > 1
    if several and any(not isinstance(part, tf.TensorSpec) for part in _flat(spec)):
        raise ValueError(
            f"`{name}` must be dense to be shared among replicas. Received: ragged or "
            "sparse rows. Train on one device, or pass a tf.data.Dataset of batches."
        )


def has_own(model: Any, *methods: str) -> bool:
    """Whether the model does a step, or computes its loss, in a way of its own."""
    return any(
        name in vars(model)
        or getattr(type(model), name) is not getattr(keras.Model, name)
        for name in methods
    )


def has_own_loss(model: Any) -> bool:
    """Whether targets may be anything."""
    return has_own(model, "train_step", "compute_loss")


def check_loss(model: Any) -> None:
    """Raises unless a validation pass computes a loss: Keras would call it 0."""
    compiled = model._compile_config.config.get("loss") is not None
    if not compiled and not model.losses and not has_own(model, *_OWN_LOSS):
        raise ValueError(
            "`validation_data` needs a loss, whose minimum a search looks for. "
            "Received: a model that is compiled without one, and has no `test_step` "
            "or `compute_loss` of its own. Keras would report 0. Pass the loss to "
            "Keras' `compile(loss=...)`, or write a `test_step` that returns it."
        )


def check_logs(returned: Sequence[Any]) -> None:
    """Raises unless the traced steps of training and evaluation return a loss.

    Args:
        returned: What each step returns, that of training first.
    """
    for number, logs in enumerate(returned):
        if isinstance(logs, Mapping) and "loss" not in logs:
            step = "test_step" if number else "train_step"
            raise ValueError(
                f"A `{step}` must return a dict with 'loss', which a search watches. "
                f"Received: {', '.join(map(repr, logs))}. Add it, for example as the "
                "sum of the losses that are returned."
            )


def check_evaluate(model: Any) -> None:
    """Raises unless Keras' own `evaluate` computes metrics by their names."""
    if has_own(model, "evaluate"):
        raise ValueError(
            "The model must be evaluated by Keras' `evaluate`: a search needs what it "
            f"returns. Received: {type(model).__name__}, which has an `evaluate` of "
            "its own. Write what it does as `test_step`, or give it another name."
        )


def targets(model: Any, y: Any) -> list[tuple[Any, Any, Any]]:
    """For each output its targets, the output and its loss, where there are all."""
    losses = getattr(model.compiled_loss, "_losses", None)
    if y is None or not model.compiled_loss.built:
        return []
    outputs = model._nested_outputs
    if isinstance(y, Mapping):
        names = sorted(outputs) if isinstance(outputs, dict) else model.output_names
        y = [y.get(name) for name in names]
    found = zip(
        tf.nest.flatten(y),
        tf.nest.flatten(outputs),
        tf.nest.flatten(losses),
        strict=False,
    )
    return [each for each in found if each[0] is not None and each[2] is not None]


def kind_of(loss: Any) -> str:
    """The name of a loss function of Keras; empty for others."""
    function = getattr(loss, "fn", loss)
    modules = (getattr(part, "__module__", "") for part in (loss, function))
    of_keras = all(module.startswith("tf_keras.") for module in modules)
    return getattr(function, "__name__", "") if of_keras else ""


def shapes(spec: Any) -> Any:
    """The shapes of a spec, to be shown."""
    return tf.nest.map_structure(lambda t: None if t is None else _text(t.shape), spec)


def output_names(model: Any) -> list[str]:
    """The names by which targets may be given; keys of a returned dict are, too."""
    outputs = model._nested_outputs
    own = [str(name) for name in outputs] if isinstance(outputs, dict) else []
    return list(dict.fromkeys([*model.output_names, *own]))


def by_input(model: Any, x: Any) -> Iterator[tuple[str, Any, Any]]:
    """For each input of a model its name, its tensor, and what of the data it takes."""
    names = input_names(model)
    parts = [x[key] for key in names] if isinstance(x, Mapping) else tf.nest.flatten(x)
    yield from zip(names, model.inputs, parts, strict=False)


def input_names(model: Any) -> list[str]:
    """The names by which Keras takes inputs from a dict, in the order of `inputs`."""
    nested = model._nested_inputs
    if isinstance(nested, dict):
        return sorted(nested)
    return [tensor._keras_history.layer.name for tensor in model.inputs]


def _check_needs_no_targets(model: Any, name: str, is_batched: bool) -> None:
    if not model.loss or has_own_loss(model):
        return
    wrong = ValueError if is_batched else TypeError
    raise wrong(
        f"`{name}` must have targets y, as the model was compiled with a loss. "
        "Received: x alone. Pass (x, y) as one argument, or a batched tf.data.Dataset "
        "of (x, y). A model that brings its loss by `add_loss` is compiled without one."
    )


def _check_names(
    part: Any, names: Iterable[str], what: str, of: str, needed: bool = False
) -> None:
    """Raises if a dict has keys that mean nothing, or lacks what is needed."""
    if not isinstance(part, Mapping):
        return
    names = list(names)
    missing = [name for name in names if name not in part]
    unknown = [key for key in part if key not in names]
    if not (missing if needed else unknown):
        return
    close = [
        f"{key!r} for {match[0]!r}"
        for key in unknown
        if (match := difflib.get_close_matches(str(key), missing or names, 1))
    ]
    raise ValueError(
        f"{what} must be named like the model's {of}: {', '.join(map(repr, names))}. "
        f"Received: {', '.join(map(repr, part))}."
        + (f" Did you write {', '.join(close)}?" if close else " Rename them.")
    )


def _check_inputs(model: Any, x: Any, name: str) -> None:
    names = input_names(model)
    what = f"The inputs of `{name}`"
    _check_names(x, names, what, "inputs", needed=True)
    received = [x[key] for key in names] if isinstance(x, Mapping) else _flat(x)
    for key, tensor, part in zip(names, model.inputs, received, strict=False):
        _check_dtype(key, tensor.dtype, part.dtype, name)
    shaped = [part.shape for part in received]
    fits = len(received) >= len(names) and all(
        _compatible(tensor.shape, shape)
        for tensor, shape in zip(model.inputs, shaped, strict=False)
    )
    if not fits:
        raise ValueError(
            f"The batches of `{name}` must fit the model's inputs "
            f"{[_text(tensor.shape) for tensor in model.inputs]}. Received: "
            f"{shapes(x)}."
            + (" Is the dataset batched?" if _looks_unbatched(model, shaped) else "")
        )
    if any(not isinstance(part, tf.TensorSpec) for part in received):
        _check_called(model, x, name)


def _looks_unbatched(model: Any, received: list[Any]) -> bool:
    pairs = zip(model.inputs, received, strict=False)
    return any(
        shape.rank is not None and shape.rank < tensor.shape.rank
        for tensor, shape in pairs
    )


def _flat(x: Any) -> list[Any]:
    found: list[Any] = tf.nest.flatten(x)
    return found


def _check_dtype(key: str, expected: Any, received: Any, name: str) -> None:
    if (expected == tf.string) == (received == tf.string):
        return
    hint = "Adapt a `TextVectorization` or `StringLookup` layer as the model's first."
    if expected == tf.string:
        hint = "Pass strings."
    raise ValueError(
        f"The inputs of `{name}` must be of the model's dtypes. Received: "
        f"{received.name} for the input {key!r} of {expected.name}. {hint}"
    )


def _check_called(model: Any, x: Any, name: str) -> None:
    """Raises unless the model takes ragged or sparse tensors."""

    @tf.function  # type: ignore[untyped-decorator]
    def call(x: Any) -> Any:
        return model(x, training=False)

    try:
        call.get_concrete_function(x)
    except Exception as error:
        kinds = {type(part).__name__.removesuffix("Spec") for part in _flat(x)}
        raise ValueError(
            f"The model must take the inputs of `{name}`, {', '.join(sorted(kinds))} "
            "among them. Received: one that fails on them. Use "
            "`keras.Input(..., sparse=True)` or `ragged=True`, or make them dense. "
            f"Keras says: {str(error).strip().splitlines()[-1].strip()[:200]}"
        ) from error


def _hint(model: Any, y: Any) -> str:
    if isinstance(y, list | tuple) and len(y) == 1:
        return "Pass y itself, not a list that holds it. "
    for target, output, loss in targets(model, y):
        rank = target.shape.rank
        fewer = rank is not None and (
            rank < output.shape.rank or target.shape[-1] == 1 != output.shape[-1]
        )
        if kind_of(loss) == "categorical_crossentropy" and fewer:
            return (
                "Labels that are class numbers need the loss "
                "sparse_categorical_crossentropy. "
            )
    return ""


def _check_sparse(target: Any, output: Any, loss: Any, name: str) -> None:
    """Raises if labels of a sparse loss are not one class number for each output."""
    if kind_of(loss) != "sparse_categorical_crossentropy":
        return
    if not isinstance(target, tf.TensorSpec) or target.shape.rank is None:
        return
    wanted = tf.TensorShape(output.shape[1:-1]).num_elements()
    received = tf.TensorShape(target.shape[1:]).num_elements()
    if None in (wanted, received) or wanted == received:
        return
    one_hot = received == wanted * (output.shape[-1] or 0)
    advice = (
        "They look one-hot: use the loss categorical_crossentropy, or `y.argmax(-1)`."
        if one_hot
        else "Pass one class number for each output."
    )
    raise ValueError(
        f"The targets of `{name}` must be class numbers, as the loss is "
        f"sparse_categorical_crossentropy. Received: targets {_text(target.shape)} for "
        f"outputs {_text(output.shape)}. {advice}"
    )


def _compatible(expected: Any, received: Any) -> bool:
    if received.rank is None or expected.is_compatible_with(received):
        return True
    # Keras adds or drops a last axis of size 1.
    if expected.rank == received.rank + 1 and expected[-1] == 1:
        return bool(expected[:-1].is_compatible_with(received))
    dropped = received.rank == expected.rank + 1 and received[-1] == 1
    return dropped and bool(received[:-1].is_compatible_with(expected))


def _text(shape: Any) -> str:
    return str(tuple(shape)) if shape.rank is not None else "(?)"
