"""What must hold of training, validation and test data before anything is trained."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from tf_lottery.bindings.keras3 import models
from tf_lottery.bindings.keras3._imports import keras
from tf_lottery.bindings.keras3.checks.own_steps import (
    check_loss,
    has_own,
    has_own_loss,
)
from tf_lottery.bindings.keras3.data import feeding, forms
from tf_lottery.bindings.parts import Examples
from tf_lottery.bindings.shared.labels import check_classes, check_finite
from tf_lottery.bindings.shared.names import check_names
from tf_lottery.bindings.shared.rows import leaves, mapped, unpacked
from tf_lottery.core.data import ARGUMENTS
from tf_lottery.core.words import telling_line

_ROWS = 3


def check_examples(model: Any, examples: Examples) -> None:
    """Raises unless all data fit the compiled copy, which is built by it."""
    data = examples.data
    parts = {"dataset": (data.train, examples.feed.example_spec)}
    for name, batches in examples.evaluated.items():
        parts[ARGUMENTS[name]] = data.evaluated[name], _spec_of(batches)
    for name, (part, spec) in parts.items():
        check_batch(spec, name)
        x, y, _ = unpacked(spec)
        if not has_own(model, "train_step"):
            _check_inputs(model, x, name)
        _check_targets(model, y, name, in_memory=forms.is_arrays(part))
        _check_built(model, spec, name)
    for name, (part, _) in parts.items():
        _check_values(model, feeding.sample(part), name)
    if "val" in examples.evaluated:
        check_loss(model)


def check_batch(spec: Any, name: str) -> None:
    """Raises unless a batch is x, `(x, y)` or `(x, y, sample_weight)`."""
    if isinstance(spec, tuple) and len(spec) > 3:
        raise ValueError(
            f"`{name}` must yield tuples (x, y) or (x, y, sample_weight). "
            f"Received: elements {_shapes(spec)}."
        )


def _spec_of(batches: Any) -> Any:
    return getattr(batches, "spec", None) or batches.element_spec


def _check_inputs(model: Any, x: Any, name: str) -> None:
    """Raises unless inputs of that spec fit the inputs of a model that has them."""
    inputs = _inputs(model)
    if inputs is None:
        return
    check_names(x, list(inputs), f"The inputs of `{name}`", "inputs", needed=True)
    given = [x[key] for key in inputs] if isinstance(x, dict) else list(leaves(x))
    wanted = list(inputs.values())
    fits = len(given) == len(wanted) and all(map(_compatible, wanted, given))
    if not fits:
        unbatched = len(given) == len(wanted) and all(
            len(mine.shape) == len(theirs.shape) - 1
            for mine, theirs in zip(given, wanted, strict=True)
        )
        raise ValueError(
            f"The batches of `{name}` must fit the model's inputs "
            f"{[str(tuple(tensor.shape)) for tensor in wanted]}. Received: "
            f"{_shapes(x)}." + (" Is the dataset batched?" if unbatched else "")
        )


def _inputs(model: Any) -> dict[str, Any] | None:
    """The inputs of a model by name; None of one that Keras knows none of."""
    try:
        tensors = model.inputs
    except (AttributeError, ValueError):
        return None
    if not tensors:
        return None
    struct = getattr(getattr(model, "_functional", model), "_inputs_struct", None)
    if isinstance(struct, dict):
        return {key: struct[key] for key in sorted(struct)}
    return {tensor._keras_history.operation.name: tensor for tensor in tensors}


def _check_targets(model: Any, y: Any, name: str, *, in_memory: bool) -> None:
    if y is None and model._compile_loss is not None and not has_own_loss(model):
        wrong = TypeError if in_memory else ValueError
        raise wrong(
            f"`{name}` must have targets y, as the model was compiled with a loss. "
            "Received: x alone. Pass (x, y) as one argument, or a batched "
            "tf.data.Dataset of (x, y). A model that brings its loss by `add_loss` is "
            "compiled without one."
        )


def _check_built(model: Any, spec: Any, name: str) -> None:
    """Traces the model, its loss and its metrics on a batch, and builds them."""
    # With an open number of rows, Keras lets rows of targets pass for their width.
    rows = models.of_its_rows(model, spec, otherwise=_ROWS)
    x, y, sample_weight = unpacked(mapped(_tensor, rows))
    loss, outputs = _loss_of(model, y), None
    if loss is not None:
        with _named(spec, name):
            outputs = _called(model, x, training=False)
            if not loss.built:
                loss.build(y, outputs)
        for labels, output, kind in _targets(loss, y, outputs):
            _check_kind(labels, output, kind, name)
    with _named(spec, name):
        models.build(model, spec)
        if loss is not None:
            _called(loss, y, outputs, sample_weight)


@contextlib.contextmanager
def _named(spec: Any, name: str) -> Iterator[None]:
    """Says of which data an error of Keras is."""
    try:
        yield
    except Exception as error:  # layers raise whatever they like
        raise ValueError(
            f"The batches of `{name}` must fit the model, its loss and its metrics. "
            f"Received: {_shapes(spec)}. Keras says: {telling_line(error)}"
        ) from error


def _tensor(spec: Any) -> Any:
    dtype = str(getattr(spec.dtype, "name", spec.dtype))
    if dtype.startswith(("object", "str", "bytes")):  # texts, as NumPy calls them
        dtype = "string"
    dtype = keras.src.backend.standardize_dtype(dtype)
    return keras.KerasTensor(tuple(spec.shape), dtype)


def _loss_of(model: Any, y: Any) -> Any:
    """What the model was compiled with; None if it has another, or no targets."""
    return None if y is None or has_own_loss(model) else model._compile_loss


def _called(function: Any, *args: Any, **kwargs: Any) -> Any:
    """The shapes and types that a call gives."""
    return keras.src.backend.compute_output_spec(function, *args, **kwargs)


def _targets(compiled: Any, y: Any, outputs: Any) -> list[tuple[Any, Any, str]]:
    """Per output its targets, the output and the name of Keras' loss."""
    losses = [kind_of(each.loss) for each in compiled._flat_losses]
    return list(zip(leaves(y), keras.tree.flatten(outputs), losses, strict=False))


def kind_of(loss: Any) -> str:
    """The name of a loss function of Keras; empty for others."""
    function = getattr(loss, "fn", loss)
    of_keras = str(getattr(function, "__module__", "")).startswith("keras.")
    return str(getattr(function, "__name__", "")) if of_keras else ""


def _check_kind(labels: Any, output: Any, loss: str, name: str) -> None:
    """Raises for labels of another kind than the loss needs."""
    rank, width = len(labels.shape), output.shape[-1]
    column = rank == len(output.shape) and labels.shape[-1] == 1
    one_hot = rank == len(output.shape) and not column and labels.shape[-1] is not None
    if loss == "sparse_categorical_crossentropy" and one_hot:
        raise ValueError(
            f"The targets of `{name}` must be class numbers, as the loss is "
            f"sparse_categorical_crossentropy. Received: targets "
            f"{tuple(labels.shape)} for outputs {tuple(output.shape)}. They look "
            "one-hot: use the loss categorical_crossentropy, or `y.argmax(-1)`."
        )
    numbers = width != 1 and (rank < len(output.shape) or column)
    if loss == "categorical_crossentropy" and numbers:
        raise ValueError(
            f"The targets of `{name}` must be one-hot, as the loss is "
            f"categorical_crossentropy. Received: targets {tuple(labels.shape)} "
            f"for outputs {tuple(output.shape)}. Labels that are class numbers "
            "need the loss sparse_categorical_crossentropy."
        )


def _check_values(model: Any, batch: Any, name: str) -> None:
    """Raises if a label has no class, or if values that are not finite spoil a loss."""
    if batch is None:
        return
    x, y, sample_weight = unpacked(batch)
    if not has_own(model, "train_step"):
        check_finite(x, f"The inputs of `{name}`")
    check_finite(sample_weight, f"The sample weights of `{name}`")
    if (compiled := _loss_of(model, y)) is None:
        return
    specs = mapped(_tensor, models.of_its_rows(model, x))
    outputs = _called(model, specs, training=False)
    for labels, output, loss in _targets(compiled, y, outputs):
        check_finite(labels, f"The targets of `{name}`")
        numbers = isinstance(labels, np.ndarray) and labels.dtype.kind in "biuf"
        classes = loss == "sparse_categorical_crossentropy" and output.shape[-1]
        if numbers and classes:
            check_classes(labels, int(output.shape[-1]), name)


def _shapes(spec: Any) -> Any:
    return mapped(lambda part: tuple(part.shape), spec)


def _compatible(expected: Any, received: Any) -> bool:
    mine, theirs = tuple(expected.shape), tuple(received.shape)
    if len(mine) == len(theirs) + 1 and mine[-1] == 1:
        theirs = (*theirs, 1)
    if len(theirs) == len(mine) + 1 and theirs[-1] == 1:
        theirs = theirs[:-1]
    return len(mine) == len(theirs) and all(
        None in (a, b) or a == b for a, b in zip(mine, theirs, strict=True)
    )
