"""The first examples of data in any form, as a model takes them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery.bindings.parts import Port
from tf_lottery.bindings.shared.rows import leaves


def examples(
    batches: Iterable[Any],
    inputs: Sequence[Port],
    keys: Sequence[str],
    size: int,
    convert: Callable[[Any], Any],
) -> tuple[tuple[NDArray[Any], ...], NDArray[Any] | None]:
    """At most `size` inputs, an array per input of the model, and labels if one array.

    Args:
        batches: Batches; rows in memory are one.
        inputs, keys: The inputs of the model, and what they are called in a dict.
        size: The largest number of examples.
        convert: Makes arrays of the tensors of a structure.

    Raises:
        ValueError, TypeError: The data do not fit the model.
    """
    columns: list[list[Any]] = [[] for _ in inputs]
    labels, rows = list[Any](), 0
    for batch in batches:
        x, y = _split(batch, len(inputs))
        arrays = _ordered(convert(x), keys)
        label = () if y is None else convert(y)
        if not all(map(np.ndim, [*arrays, *leaves(label)])):
            raise ValueError("a dataset that is not batched")
        for column, array in zip(columns, arrays, strict=True):
            column.append(array)
        labels.append(label)
        rows += len(arrays[0])
        if rows >= size:
            break
    if not labels:
        raise ValueError("an empty dataset")
    found = tuple(
        _checked(np.concatenate(column)[:size], port)
        for column, port in zip(columns, inputs, strict=True)
    )
    if not all(isinstance(label, np.ndarray) for label in labels):
        return found, None
    return found, np.concatenate(labels)[:size]


def _split(data: Any, inputs: int) -> tuple[Any, Any]:
    """Inputs and labels; None if there are no labels."""
    labelled = isinstance(data, tuple) and len(data) in (2, 3)
    if inputs > 1:  # then a plain tuple of arrays is the inputs
        labelled = labelled and isinstance(data[0], list | tuple | dict)
    if isinstance(data, tuple) and len(data) == 1:
        return data[0], None
    return (data[0], data[1]) if labelled else (data, None)


def _ordered(x: Any, keys: Sequence[str]) -> list[Any]:
    if not isinstance(x, dict):
        return list(leaves(x))
    for key in keys:
        if key not in x:
            raise ValueError(f"a dict without {key!r}")
    return [x[key] for key in keys]


def _checked(array: Any, port: Port) -> NDArray[Any]:
    if np.ndim(array) + 1 == len(port.shape) and port.shape[-1] == 1:
        array = np.expand_dims(array, -1)  # as Keras does
    fits = np.ndim(array) == len(port.shape) and all(
        wanted in (None, given)
        for wanted, given in zip(port.shape[1:], np.shape(array)[1:], strict=True)
    )
    if not fits:
        raise ValueError(f"an array of shape {np.shape(array)}")
    return np.asarray(array, object if port.dtype == "string" else port.dtype)
