"""Examples on which a file is compared with its model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.data.arrays import as_arrays
from tf_lottery.bindings.tf_keras.data.forms import Batched
from tf_lottery.bindings.tf_keras.layers import named_layers
from tf_lottery.core.data import Data
from tf_lottery.core.errors import ExportError

SIZE = 1000  # examples


@dataclass(frozen=True)
class Sample:
    """Inputs of a model, one array per input, with labels if they are known."""

    inputs: tuple[NDArray[Any], ...]
    labels: NDArray[Any] | None
    origin: str

    def __len__(self) -> int:
        return len(self.inputs[0])

    def __str__(self) -> str:
        return f"{len(self):,} examples of {self.origin}"


def take(data: Any, model: Any, origin: str, size: int = SIZE) -> Sample:
    """The first examples of a dataset or of arrays, as a model takes them.

    Args:
        data: A batched `tf.data.Dataset`, arrays `(x, y[, sample_weight])`, or
            inputs `x` alone: an array, or a list or dict of arrays.
        model: The model, whose inputs these are.
        origin: What messages call the data.
        size: The largest number of examples.

    Raises:
        ExportError: The data do not fit the model.
    """
    try:
        x, y = _rows(data, len(model.inputs), size)
        inputs = tuple(
            _checked(array, tensor)
            for array, tensor in zip(_ordered(x, model), model.inputs, strict=True)
        )
        sizes = {len(array) for array in (*inputs, *([] if y is None else [y]))}
        if len(sizes) > 1 or sizes == {0}:
            raise ValueError(f"{' and '.join(map(str, sorted(sizes)))} examples")
    except (ValueError, TypeError) as error:
        wanted = ", ".join(
            f"{name} {tuple(tensor.shape)}"
            for name, tensor in zip(model.input_names, model.inputs, strict=True)
        )
        raise ExportError(
            f"The {origin} must be batches or arrays of the model's inputs: {wanted}. "
            f"Received: {error}."
        ) from error
    return Sample(inputs, y, origin)


def of_search(data: Data, model: Any) -> Sample:
    """Examples of a search: of its test data, else validation, else training data."""
    for part, origin in (
        (data.test, "test data"),
        (data.validation, "validation data"),
        (data.train, "training data"),
    ):
        if part is not None:
            return take(part, model, origin)
    raise ExportError("The search has no data to compare the file on.")


def random(
    model: Any, size: int = SIZE, input_shape: Sequence[int] | None = None
) -> Sample:
    """Random inputs: normal numbers; as integers, rows of embeddings, or 0 and 1.

    Args:
        model: The model.
        size: The number of examples.
        input_shape: The shape of one example, if the model leaves it open.
    """
    draw = np.random.default_rng(0)
    sizes = [
        layer.input_dim
        for layer in named_layers(model).values()
        if isinstance(layer, keras.layers.Embedding)
    ]
    largest = min(sizes, default=2)
    inputs = []
    for tensor in model.inputs:
        shape = _shape(tensor, input_shape)
        if not (tensor.dtype.is_floating or tensor.dtype.is_integer):
            raise ExportError(
                "A model must be compared on real data unless its inputs are numbers. "
                f"Received: an input of {tensor.dtype.name}. Pass `data=`."
            )
        shape = (size, *shape)
        floating = tensor.dtype.is_floating
        values = (
            draw.normal(size=shape) if floating else draw.integers(0, largest, shape)
        )
        inputs.append(values.astype(tensor.dtype.as_numpy_dtype))
    return Sample(tuple(inputs), None, "random inputs")


def _shape(tensor: Any, input_shape: Sequence[int] | None) -> tuple[int, ...]:
    """The shape of one example."""
    open_shape = tensor.shape[1:]
    if input_shape is None:
        if None in open_shape:
            raise ExportError(
                "A model with inputs of open size must be compared on real data, or on "
                f"inputs of a size. Received: an input of shape {tuple(tensor.shape)}. "
                'Pass `data=`, or `input_shape=` for format="tflite".'
            )
        return tuple(open_shape)
    if not open_shape.is_compatible_with(input_shape):
        raise ExportError(
            "`input_shape` must be the shape of one example of each input. Received: "
            f"input_shape={tuple(input_shape)} for an input of shape "
            f"{tuple(tensor.shape)}."
        )
    return tuple(input_shape)


def _rows(data: Any, inputs: int, size: int) -> tuple[Any, Any]:
    """The first inputs, and labels if they are one array."""
    if isinstance(data, Batched):
        data = data.dataset()
    if isinstance(data, tf.data.Dataset):
        x, y = _first_rows(data, inputs, size)
    else:
        x, y = (as_arrays(_dense(part)) for part in _split(data, inputs))
        x, y = tf.nest.map_structure(lambda array: array[:size], (x, y))
    return x, y if isinstance(y, np.ndarray) else None


def _first_rows(data: Any, inputs: int, size: int) -> Any:
    found: list[Any] = []
    rows = 0
    for batch in data:
        pair = _split(batch, inputs)
        found.append(_dense(pair))
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
    return tf.nest.map_structure(_array, structure)


def _array(part: Any) -> Any:
    if isinstance(part, tf.SparseTensor):
        return tf.sparse.to_dense(tf.sparse.reorder(part)).numpy()
    if isinstance(part, tf.RaggedTensor):
        raise ValueError("ragged tensors, where examples must have one shape")
    if hasattr(part, "toarray"):  # of SciPy
        return part.toarray()
    return part.numpy() if isinstance(part, tf.Tensor) else part


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
    missing = [name for name in names if name not in x]
    if missing:
        raise ValueError(f"a dict without {missing[0]!r}")
    return [x[name] for name in names]


def _checked(array: Any, tensor: Any) -> NDArray[Any]:
    if np.ndim(array) + 1 == tensor.shape.rank and tensor.shape[-1] == 1:
        array = np.expand_dims(array, -1)  # as Keras does
    if not tensor.shape[1:].is_compatible_with(np.shape(array)[1:]):
        raise ValueError(f"an array of shape {np.shape(array)}")
    return np.asarray(array, tensor.dtype.as_numpy_dtype)
