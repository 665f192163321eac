"""Examples on which a file is compared with its model."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery._keras import tf
from tf_lottery.core.errors import ExportError
from tf_lottery.training.data import Data, as_arrays

SIZE = 1000  # examples


@dataclass(frozen=True)
class Sample:
    """Inputs of a model, one array each, with labels where they are known."""

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
            inputs `x` alone: an array, or a list or dict of them.
        model: The model, which says how many inputs there are.
        origin: What to call the data.
        size: How many examples at most.

    Raises:
        ExportError: The data do not fit the model.
    """
    x, y = _rows(data, len(model.inputs), size)
    try:
        inputs = tuple(
            np.asarray(_checked(array, tensor), tensor.dtype.as_numpy_dtype)
            for array, tensor in zip(_ordered(x, model), model.inputs, strict=True)
        )
    except (ValueError, KeyError, TypeError) as error:
        wanted = ", ".join(str(tuple(t.shape)) for t in model.inputs)
        raise ExportError(
            f"The {origin} must fit the model's inputs, {wanted}. Received: {error}."
        ) from error
    labels = np.asarray(y) if isinstance(y, np.ndarray) else None
    return Sample(inputs, labels, origin)


def of_search(data: Data, model: Any) -> Sample:
    """Examples of a search: test data if there are any, else validation, training."""
    for part, origin in (
        (data.test, "test data"),
        (data.validation, "validation data"),
        (data.train, "training data"),
    ):
        if part is not None:
            return take(part, model, origin)
    raise ExportError("The search has no data to compare the file on.")


def random(model: Any, size: int = SIZE) -> Sample:
    """Inputs by chance: normal numbers, or 0 and 1 where integers are wanted."""
    draw = np.random.default_rng(0)
    inputs = []
    for tensor in model.inputs:
        if None in tensor.shape[1:]:
            raise ExportError(
                "A model with inputs of open length must be compared on real data. "
                f"Received: an input of shape {tuple(tensor.shape)}. Pass `data=`."
            )
        shape = (size, *tensor.shape[1:])
        floating = tensor.dtype.is_floating
        values = draw.normal(size=shape) if floating else draw.integers(0, 2, shape)
        inputs.append(values.astype(tensor.dtype.as_numpy_dtype))
    return Sample(tuple(inputs), None, "random inputs")


def _rows(data: Any, inputs: int, size: int) -> tuple[Any, Any]:
    if isinstance(data, tf.data.Dataset):
        return _first_rows(data, size)
    labelled = isinstance(data, tuple) and len(data) in (2, 3)
    if inputs > 1:  # then a plain tuple of arrays is the inputs
        labelled = labelled and isinstance(data[0], list | tuple | dict)
    x, y = (data[0], data[1]) if labelled else (data, None)
    first = tf.nest.map_structure(lambda array: array[:size], as_arrays(x))
    return first, None if y is None else _labels(as_arrays(y), size)


def _first_rows(data: Any, size: int) -> tuple[Any, Any]:
    found: list[Any] = []
    rows = 0
    for batch in data:
        pair = batch[:2] if isinstance(batch, tuple) else (batch,)
        found.append(tf.nest.map_structure(lambda tensor: tensor.numpy(), pair))
        rows += len(tf.nest.flatten(found[-1])[0])
        if rows >= size:
            break
    if not found:
        raise ExportError("The data must hold examples. Received: an empty dataset.")
    whole = tf.nest.map_structure(lambda *parts: np.concatenate(parts)[:size], *found)
    return whole[0], _labels(whole[1], size) if len(whole) > 1 else None


def _labels(y: Any, size: int) -> Any:
    return y[:size] if isinstance(y, np.ndarray) else None


def _ordered(x: Any, model: Any) -> list[Any]:
    if isinstance(x, dict):
        return [x[name] for name in model.input_names]
    return list(tf.nest.flatten(x))


def _checked(array: Any, tensor: Any) -> Any:
    if not tensor.shape[1:].is_compatible_with(array.shape[1:]):
        raise ValueError(f"an array of shape {array.shape}")
    return array
