"""What must hold of the values of arrays, before anything is trained.

Of other data the first batch is checked, if reading it has no effect on later batches.
"""

from typing import Any

import numpy as np

from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.bindings.tf_keras.checks.input_values import check_indices, check_whole
from tf_lottery.bindings.tf_keras.checks.inputs import input_names
from tf_lottery.bindings.tf_keras.checks.own_steps import has_own, has_own_loss
from tf_lottery.bindings.tf_keras.checks.targets import kind_of, targets
from tf_lottery.bindings.tf_keras.data import arrays
from tf_lottery.bindings.tf_keras.data.forms import Batched, is_arrays
from tf_lottery.core.words import warn

_TRIED = 32  # rows
_PLAIN = {
    *("_TensorSliceDataset", "_BatchDataset", "_ParallelBatchDataset"),
    *("_PrefetchDataset", "_OptionsDataset", "_TakeDataset"),
}
_BINARY = ("binary_crossentropy", "binary_focal_crossentropy")


def check_values(model: Any, part: Any, name: str) -> None:
    """Raises if a label has no class, or values that are not finite spoil a loss.

    Of a compiled model whose loss was traced, and of data in one form.
    """
    if is_arrays(part):
        x, y, weights = arrays.unpacked(arrays.packed(part))
    elif isinstance(part, Batched):
        x, y, weights = arrays.unpacked(part.first)
    elif _is_plain(part):
        x, y, weights = arrays.unpacked(next(part.as_numpy_iterator()))
    else:
        x, _, _ = arrays.unpacked(part.element_spec)
        if not has_own(model, "train_step"):
            check_whole(model, x, name)
        return
    if not has_own(model, "train_step"):
        _check_finite_inputs(model, x, name)
        check_whole(model, x, name)
        check_indices(model, x, name)
    _check_finite(weights, f"The sample weights of `{name}`")
    if has_own_loss(model):
        return
    for labels, output, loss in targets(model, y):
        if kind_of(loss):
            _check_finite(labels, f"The targets of `{name}`")
        _check_labels(labels, output, loss, name)


def _is_plain(dataset: Any) -> bool:
    """Whether a dataset may be read once more, as it has rows of arrays in batches."""
    if type(dataset).__name__ not in _PLAIN:
        return False
    return all(map(_is_plain, dataset._inputs()))


def _check_finite_inputs(model: Any, x: Any, name: str) -> None:
    if all(_finite(part) is None for part in tf.nest.flatten(x)):
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
        if part is not None and (found := _finite(part)):
            raise ValueError(
                f"{what} must be finite. Received: {found}. Remove or replace them."
            )


def _which(x: Any) -> str:
    named = x if isinstance(x, dict) else {"": x}
    parts = [(key, part) for key in named for part in tf.nest.flatten(named[key])]
    return ", ".join(
        f"{found}" + (f" of {key!r}" if key else "")
        for key, part in parts
        if (found := _finite(part))
    )


def _finite(part: Any) -> str | None:
    """How many values are not finite, in words; None if all are."""
    array = arrays.flat_values(part)
    if array.dtype.kind not in "fc" or not array.size:
        return None
    if np.isfinite(array.min()) and np.isfinite(array.max()):  # without a copy
        return None
    nan, infinite = int(np.isnan(array).sum()), int(np.isinf(array).sum())
    words = [f"{nan:,} NaN"] * bool(nan) + [f"{infinite:,} infinite"] * bool(infinite)
    return f"{' and '.join(words)} of {array.size:,} values"


def _spoiled_rows(x: Any) -> Any:
    """The positions of rows that are not finite; None of ragged or sparse rows."""
    bad: Any = False
    for part in tf.nest.flatten(x):
        if not isinstance(part, np.ndarray):
            return None
        if part.dtype.kind in "fc":
            bad = bad | ~np.isfinite(part.reshape(len(part), -1)).all(1)
    return np.flatnonzero(bad)


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
    outside = (labels < 0) | (labels >= classes)
    if ignored is not None:
        outside &= labels != ignored
    if outside.any():
        found = ", ".join(str(label) for label in np.unique(labels[outside])[:5])
        raise ValueError(
            f"The targets of `{name}` must be class numbers from 0 to {classes - 1}: "
            f"the model has {classes} outputs. Received: {found} in "
            f"{int(outside.sum()):,} of {labels.size:,} targets. Number the classes "
            "from 0, or give the last layer more outputs."
        )
