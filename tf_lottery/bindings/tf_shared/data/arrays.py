"""Arrays: everything that Keras' `fit` takes as rows in memory.

NumPy arrays and tensors, lists, strings, pandas and SciPy objects become NumPy
arrays; ragged and sparse rows stay tensors of their kind. What follows asks only for
rows by their positions.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from tf_lottery.bindings.shared import rows
from tf_lottery.bindings.shared.rows import in_short, repacked, unpacked
from tf_lottery.bindings.tf_shared._imports import tf

__all__ = ["in_short", "repacked", "unpacked"]


def as_arrays(value: Any) -> Any:
    """One array, or a structure of them; a list of arrays is several inputs."""
    return rows.as_arrays(value, _array)


def packed(data: Any) -> Any:
    """A batch or arrays as `fit` passes them on: `(x, y[, sample_weight])`, or x."""
    return rows.packed(data, _array)


def checked(name: str, data: Any) -> Any:
    """The arrays that a user passed as an argument of this name, packed."""
    return rows.checked(name, data, _array, (tf.SparseTensor,))


def size(arrays: Any) -> int:
    """The number of rows."""
    return int(tf.nest.flatten(arrays)[0].shape[0])


def head(arrays: Any, start: int, stop: int) -> Any:
    """The rows from one position to another."""

    def part(array: Any) -> Any:
        if isinstance(array, tf.SparseTensor):
            shape = array.shape.as_list()
            rest = [0] * (len(shape) - 1)
            return tf.sparse.slice(
                array, [start, *rest], [max(stop - start, 0), *shape[1:]]
            )
        return array[start:stop]

    return tf.nest.map_structure(part, arrays)


def taking(arrays: Any) -> Callable[[Any], Any]:
    """A function from positions to the rows there, for use inside a graph."""
    parts = tf.nest.map_structure(_rows, arrays)
    return lambda at: tf.nest.map_structure(lambda part: part(at), parts)


def contents(arrays: Any) -> str:
    """A hash of all rows."""
    digest = hashlib.sha256()
    for part in tf.nest.flatten(arrays, expand_composites=True):
        array = np.asarray(part)
        if array.dtype == object:  # strings
            array = np.asarray(tf.convert_to_tensor(array).numpy().tolist(), bytes)
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()[:16]


def flat_values(part: Any) -> Any:
    """The numbers of an array, or of ragged or sparse rows."""
    return np.asarray(getattr(part, "flat_values", getattr(part, "values", part)))


def _array(value: Any) -> Any:
    if isinstance(value, tf.RaggedTensor):
        return value
    if isinstance(value, tf.SparseTensor):
        return tf.sparse.reorder(value)
    if hasattr(value, "tocoo"):  # of SciPy
        return _sparse(value)
    return rows.array_of(value, _is_known, "For those, use `tf.ragged.constant`.")


def _is_known(array: Any) -> bool:
    """Whether TensorFlow has a dtype for it; of objects it knows strings alone."""
    if array.dtype == object:
        return all(isinstance(text, str | bytes) for text in array.reshape(-1))
    try:
        tf.as_dtype(array.dtype)
    except TypeError:
        return False
    return bool(array.dtype.kind not in "Mm")


def _sparse(matrix: Any) -> Any:
    coo = matrix.tocoo()
    values = coo.data
    if np.issubdtype(values.dtype, np.floating):
        values = values.astype(np.float32)
    indices = np.stack([coo.row, coo.col], axis=1).astype(np.int64)
    return tf.sparse.reorder(tf.SparseTensor(indices, values, coo.shape))


def _rows(array: Any) -> Any:
    """A function from positions to rows."""
    if isinstance(array, tf.SparseTensor):
        return _sparse_rows(array)
    is_ragged = isinstance(array, tf.RaggedTensor)
    tensor = array if is_ragged else tf.convert_to_tensor(array)
    return lambda positions: tf.gather(tensor, positions)


def _sparse_rows(tensor: Any) -> Any:
    """Rows of a sparse tensor by way of ragged ones, which can be gathered."""
    count = tensor.shape[0]
    of_row = tensor.indices[:, 0]
    values = tf.RaggedTensor.from_value_rowids(tensor.values, of_row, count)
    places = tf.RaggedTensor.from_value_rowids(tensor.indices[:, 1:], of_row, count)

    def take(positions: Any) -> Any:
        found, where = tf.gather(values, positions), tf.gather(places, positions)
        rows = tf.cast(found.value_rowids(), tf.int64)[:, None]
        number = tf.shape(positions, tf.int64)
        shape = tf.concat([number, tensor.shape.as_list()[1:]], 0)
        indices = tf.concat([rows, where.values], 1)
        return tf.SparseTensor(indices, found.values, shape)

    return take
