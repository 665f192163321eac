"""What must hold of values: finite numbers, indices and labels that the model knows.

Arrays are checked as a whole, other data by the first batch, if reading it has no
effect on later batches.
"""

from typing import Any

import numpy as np

from tf_lottery.bindings.shared.labels import check_classes, not_finite, outside
from tf_lottery.bindings.shared.source import Source
from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.checks.inputs import by_input, input_names
from tf_lottery.bindings.tf_keras.checks.own_steps import has_own, has_own_loss
from tf_lottery.bindings.tf_keras.checks.targets import kind_of, targets
from tf_lottery.bindings.tf_keras.layers import without_wrapper
from tf_lottery.bindings.tf_shared.data import arrays
from tf_lottery.bindings.tf_shared.data.forms import is_arrays
from tf_lottery.core.words import warn

_TRIED = 32  # rows
_PLAIN = {
    *("_TensorSliceDataset", "_BatchDataset", "_ParallelBatchDataset"),
    *("_PrefetchDataset", "_OptionsDataset", "_TakeDataset"),
}
_BINARY = ("binary_crossentropy", "binary_focal_crossentropy")


def check_values(model: Any, part: Any, name: str) -> None:
    """Raises if a label has no class, or if values that are not finite spoil a loss."""
    own_step = has_own(model, "train_step")
    if is_arrays(part):
        batch = arrays.packed(part)
    elif isinstance(part, Source):
        batch = part.first
    elif _is_plain(part):
        batch = next(part.as_numpy_iterator())
    else:
        if not own_step:
            _check_whole(model, arrays.unpacked(part.element_spec)[0], name)
        return
    x, y, weights = arrays.unpacked(batch)
    if not own_step:
        _check_finite_inputs(model, x, name)
        _check_whole(model, x, name)
        _check_indices(model, x, name)
    _check_finite(weights, f"The sample weights of `{name}`")
    if has_own_loss(model):
        return
    for labels, output, loss in targets(model, y):
        if kind_of(loss):
            _check_finite(labels, f"The targets of `{name}`")
        _check_labels(labels, output, loss, name)


def _is_plain(dataset: Any) -> bool:
    """Whether a dataset may be read once more, as it has rows of arrays in batches."""
    plain = type(dataset).__name__ in _PLAIN
    return plain and all(map(_is_plain, dataset._inputs()))


def _check_finite_inputs(model: Any, x: Any, name: str) -> None:
    if not any(_not_finite(part) for part in tf.nest.flatten(x)):
        return
    rows = _spoiled_rows(x)
    if rows is not None and _stays_finite(model, x, rows[:_TRIED]):
        return  # the model replaces them
    count = "" if rows is None else f" in {len(rows)} of {arrays.size(x)} rows"
    raise ValueError(
        f"The inputs of `{name}` must be finite. Received: {_which(x)}{count}, for "
        "which the model's outputs are not finite either. Remove or replace them."
    )


def _stays_finite(model: Any, x: Any, rows: Any) -> bool:
    """Whether the outputs for some rows are finite."""
    if any(getattr(layer, "stateful", False) for layer in model._flatten_layers()):
        return False
    some = tf.nest.map_structure(lambda part: part[rows], x)
    if isinstance(some, dict):
        some = {key: some[key] for key in input_names(model)}
    outputs = model(some, training=False)
    return all(np.isfinite(part).all() for part in tf.nest.flatten(outputs))


def _check_finite(values: Any, what: str) -> None:
    for part in tf.nest.flatten(values):
        if part is not None and (found := _not_finite(part)):
            raise ValueError(
                f"{what} must be finite. Received: {found}. Remove or replace them."
            )


def _which(x: Any) -> str:
    """How many values of which input are not finite."""
    if not isinstance(x, dict):
        return ", ".join(filter(None, map(_not_finite, tf.nest.flatten(x))))
    found = {key: _which(part) for key, part in x.items()}
    return ", ".join(f"{said} of {key!r}" for key, said in found.items() if said)


def _not_finite(part: Any) -> str:
    """How many values are not finite, in words; empty if all are."""
    return not_finite(arrays.flat_values(part))


def _spoiled_rows(x: Any) -> Any:
    """The positions of rows that are not finite; None of ragged or sparse rows."""
    bad: Any = False
    for part in tf.nest.flatten(x):
        if not isinstance(part, np.ndarray):
            return None
        if part.dtype.kind in "fc":
            bad = bad | ~np.isfinite(part.reshape(len(part), -1)).all(1)
    return np.flatnonzero(bad)


def _check_whole(model: Any, x: Any, name: str) -> None:
    """Warns of fractions for an integer input: Keras cuts them off silently.

    `x` are arrays, or their specs if the values may not be read.
    """
    for key, tensor, part in by_input(model, x):
        if not (tensor.dtype.is_integer and tf.as_dtype(part.dtype).is_floating):
            continue
        if isinstance(part, tf.TypeSpec):
            found = f"numbers of {part.dtype.name}, of which any"
        else:
            values = arrays.flat_values(part)
            fractions = values[values != np.trunc(values)]
            if not fractions.size:
                continue
            found = f"numbers such as {fractions[0]:g}, whose"
        warn(
            f"The input {key!r} of the model is {tensor.dtype.name}, and `{name}` has "
            f"{found} fraction Keras cuts off. Round them, or make the input a float "
            "one."
        )


def _check_indices(model: Any, x: Any, name: str) -> None:
    """Raises if an `Embedding` that takes an input as it is has no row for an index.

    On some devices Keras silently takes zeros for such indices; on others a step fails.
    """
    for key, tensor, part in by_input(model, x):
        values = arrays.flat_values(part)
        if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
            continue
        for node in tensor._keras_history.layer._outbound_nodes:
            layer = without_wrapper(node.layer)
            if not isinstance(layer, keras.layers.Embedding):
                continue
            rows, indices = layer.input_dim, values.astype(np.int64)
            if said := outside(indices, (indices < 0) | (indices >= rows)):
                raise ValueError(
                    f"The input {key!r} of `{name}` must be indices from 0 to "
                    f"{rows - 1}, as the layer {layer.name!r} has input_dim={rows}. "
                    f"Received: {said} indices. Number what they stand for from 0, or "
                    "give the layer a larger `input_dim`."
                )


def _check_labels(labels: Any, output: Any, loss: Any, name: str) -> None:
    kind = kind_of(loss)
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "biuf":
        return
    if kind == "sparse_categorical_crossentropy" and output.shape[-1]:
        _check_classes(labels, int(output.shape[-1]), loss, name)
    if kind in _BINARY and not (labels.min() >= 0 and labels.max() <= 1):
        warn(
            f"The loss {kind} is meant for targets from 0 to 1. Received: targets of "
            f"`{name}` from {labels.min()} to {labels.max()}."
        )


def _check_classes(labels: Any, classes: int, loss: Any, name: str) -> None:
    ignored = getattr(loss, "ignore_class", None)
    if ignored is None:
        ignored = getattr(loss, "_fn_kwargs", {}).get("ignore_class")
    check_classes(labels, classes, name, ignored)
