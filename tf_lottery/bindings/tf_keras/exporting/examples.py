"""The first examples of data in any form, as a model takes them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery.bindings.shared.source import Source
from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.bindings.tf_shared.data.arrays import as_arrays
from tf_lottery.bindings.tf_shared.data.feed import evaluated_source


def examples(
    data: Any, model: Any, size: int
) -> tuple[tuple[NDArray[Any], ...], NDArray[Any] | None]:
    """At most `size` inputs, an array per input of the model, and labels if one array.

    Raises:
        ValueError, TypeError: The data do not fit the model.
    """
    count = len(model.inputs)
    if isinstance(data, Source):
        data = evaluated_source(data)
    if isinstance(data, tf.data.Dataset):
        x, y = _first_rows(data, count, size)
    else:
        x, y = (as_arrays(_dense(part)) for part in _split(data, count))
        x, y = tf.nest.map_structure(lambda array: array[:size], (x, y))
    arrays = zip(_ordered(x, model), model.inputs, strict=True)
    inputs = tuple(_checked(array, tensor) for array, tensor in arrays)
    return inputs, y if isinstance(y, np.ndarray) else None


def _first_rows(data: Any, inputs: int, size: int) -> Any:
    found, rows = list[Any](), 0
    for batch in data:
        found.append(_dense(_split(batch, inputs)))
        arrays = tf.nest.flatten(found[-1])
        if not all(map(np.ndim, arrays)):
            raise ValueError("a dataset that is not batched")
        rows += len(arrays[0])
        if rows >= size:
            break
    if not found:
        raise ValueError("an empty dataset")
    return tf.nest.map_structure(lambda *parts: np.concatenate(parts)[:size], *found)


def _dense(structure: Any) -> Any:
    """The same values as dense arrays, which exported files take."""

    def dense(part: Any) -> Any:
        if isinstance(part, tf.SparseTensor):
            part = tf.sparse.to_dense(tf.sparse.reorder(part))
        if isinstance(part, tf.RaggedTensor):
            raise ValueError("ragged tensors, where examples must have one shape")
        if hasattr(part, "toarray"):  # of SciPy
            return part.toarray()
        return part.numpy() if isinstance(part, tf.Tensor) else part

    return tf.nest.map_structure(dense, structure)


def _split(data: Any, inputs: int) -> tuple[Any, Any]:
    """Inputs and labels; `()` if there are no labels."""
    labelled = isinstance(data, tuple) and len(data) in (2, 3)
    if inputs > 1:  # then a plain tuple of arrays is the inputs
        labelled = labelled and isinstance(data[0], list | tuple | dict)
    if isinstance(data, tuple) and len(data) == 1:
        return data[0], ()
    return (data[0], data[1]) if labelled else (data, ())


def _ordered(x: Any, model: Any) -> list[Any]:
    if not isinstance(x, dict):
        return list(tf.nest.flatten(x))
    # As Keras does: by the keys that the model was built with, or by its names.
    by_key = isinstance(model.input, dict)
    names = sorted(model.input) if by_key else model.input_names
    for name in names:
        if name not in x:
            raise ValueError(f"a dict without {name!r}")
    return [x[name] for name in names]


def _checked(array: Any, tensor: Any) -> NDArray[Any]:
    if np.ndim(array) + 1 == tensor.shape.rank and tensor.shape[-1] == 1:
        array = np.expand_dims(array, -1)  # as Keras does
    if not tensor.shape[1:].is_compatible_with(np.shape(array)[1:]):
        raise ValueError(f"an array of shape {np.shape(array)}")
    return np.asarray(array, tensor.dtype.as_numpy_dtype)
