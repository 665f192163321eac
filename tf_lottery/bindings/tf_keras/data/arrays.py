"""Arrays: everything that Keras' `fit` takes as rows in memory.

NumPy arrays and tensors, lists, strings, pandas and SciPy objects become NumPy
arrays; ragged and sparse rows stay tensors of their kind. What follows asks only for
rows by their positions.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tf_lottery.bindings.tf_keras._imports import keras, tf

_FORMS = (
    "a batched tf.data.Dataset, arrays (x, y) or (x, y, sample_weight), or a "
    "`keras.utils.Sequence`"
)
_FUNCTION = "; or a function of the seed that returns one of them or a generator"
_SCALARS = (bool, int, float, complex, str, bytes, np.generic)


def as_arrays(value: Any) -> Any:
    """One array, or a structure of them; a list of arrays is several inputs."""
    if isinstance(value, Mapping):
        return {name: as_arrays(part) for name, part in value.items()}
    if isinstance(value, list | tuple) and not _holds_scalars(value):
        return tuple(map(as_arrays, value))
    return _array(value)


def packed(data: Any) -> Any:
    """A batch or arrays as `fit` passes them on: `(x, y[, sample_weight])`, or x."""
    if isinstance(data, tuple | list) and 2 <= len(data) <= 3:
        data = tuple(data)
    elif not (isinstance(data, tuple) and len(data) == 1):
        data = (data,)
    if len(data) > 1 and data[1] is None:
        data = data[:1]
    parts = [None if part is None else as_arrays(part) for part in data]
    return keras.utils.pack_x_y_sample_weight(*parts)


def unpacked(batch: Any) -> tuple[Any, Any, Any]:
    """x, y and sample_weight of a batch or its spec; `None` for what it lacks."""
    found: tuple[Any, Any, Any] = keras.utils.unpack_x_y_sample_weight(batch)
    return found


def checked(name: str, data: Any) -> Any:
    """The arrays that a user passed as an argument of this name, packed."""
    forms = _FORMS + (_FUNCTION if name == "dataset" else "")
    has_rows = hasattr(data, "__len__") or isinstance(data, tf.SparseTensor)
    if isinstance(data, _SCALARS) or not has_rows:
        raise TypeError(f"`{name}` must be {forms}. Received: {type(data).__name__}.")
    try:
        arrays = packed(data)
    except TypeError as error:
        raise TypeError(f"`{name}` must be {forms}. {error}") from error
    sizes = {size(array) for array in tf.nest.flatten(arrays)}
    if len(sizes) != 1 or sizes == {0}:
        raise ValueError(
            f"The arrays of `{name}` must be of one length, at least 1. "
            f"Received: lengths {sorted(sizes)}."
        )
    return arrays


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


def in_short(value: Any) -> str:
    """What a refused value is, never its contents."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if dtype is not None and shape is not None:
        return f"an array of shape {tuple(shape)} and dtype {dtype}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)} parts"
    return type(value).__name__


def _holds_scalars(value: Any) -> bool:
    """Whether nested lists hold plain numbers or strings: rows of one array."""
    while isinstance(value, list | tuple) and value:
        value = value[0]
    return isinstance(value, _SCALARS) or getattr(value, "shape", None) == ()


def _array(value: Any) -> Any:
    if isinstance(value, tf.RaggedTensor):
        return value
    if isinstance(value, tf.SparseTensor):
        return tf.sparse.reorder(value)
    if hasattr(value, "tocoo"):  # of SciPy
        return _sparse(value)
    if hasattr(value, "to_numpy"):  # pandas: as Keras does, a series is a column
        value = value.to_numpy()
        value = value[:, None] if value.ndim == 1 else value
    if value is None:
        raise TypeError(
            "Each output of a list must have targets. Received: None for one. Pass a "
            "dict of the others by name."
        )
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TypeError(
            "Data must have one row for each example, of one shape. Received: "
            f"{in_short(value)} whose rows have several lengths. For those, use "
            "`tf.ragged.constant`."
        ) from error
    if array.ndim == 0 or not _is_known(array):
        raise TypeError(
            "Data must be arrays of numbers or strings with one row for each example. "
            f"Received: {in_short(value)}."
        )
    # As Keras does: its layers compute in float32.
    return array.astype(np.float32) if array.dtype == np.float64 else array


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
