"""Rows in memory as NumPy arrays: those of every framework, pandas, and lists."""

from typing import Any

import numpy as np

from tf_lottery.bindings.shared import rows

_NO_RAGGED = "Pad them to one length."


def as_array(value: Any) -> Any:
    """One NumPy array."""
    if hasattr(value, "tocoo"):  # of SciPy
        raise TypeError(
            "Sparse rows are for the TensorFlow backend. Received: "
            f"{type(value).__name__}. Make them dense: `x.toarray()`."
        )
    if hasattr(value, "detach"):  # a tensor of PyTorch
        value = value.detach().cpu()
    return rows.array_of(value, _is_known, _NO_RAGGED)


def packed(data: Any) -> Any:
    """A batch or arrays as `fit` passes them on: `(x, y[, sample_weight])`, or x."""
    return rows.packed(data, as_array)


def checked(name: str, data: Any) -> Any:
    """The arrays that a user passed as an argument of this name, packed."""
    return rows.checked(name, data, as_array)


def taken(arrays: Any, at: Any) -> Any:
    """The rows at some positions, or of a slice."""
    return rows.mapped(lambda array: array[at], arrays)


def _is_known(array: Any) -> bool:
    """Whether it holds numbers: texts are for layers of TensorFlow."""
    return bool(array.dtype.kind in "biufcV") and array.dtype != np.dtype("O")


def size(arrays: Any) -> int:
    """The number of rows."""
    return rows.size(arrays)


def head(arrays: Any, start: int, stop: int) -> Any:
    """The rows from one position to another."""
    return taken(arrays, slice(start, stop))
