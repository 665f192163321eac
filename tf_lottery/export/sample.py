"""Examples on which a file is compared with its model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery.bindings.parts import Port
from tf_lottery.core.data import Data
from tf_lottery.core.encoding import dtype_of
from tf_lottery.core.errors import ExportError
from tf_lottery.export.bound import network

SIZE = 1000  # examples
CALIBRATION = 500  # examples, on which int8 measures the ranges of activations
_RANDOM = "random inputs"


@dataclass(frozen=True)
class Sample:
    """Inputs of a model, one array per input, with labels if they are known."""

    inputs: tuple[NDArray[Any], ...]
    labels: NDArray[Any] | None
    origin: str

    @property
    def is_random(self) -> bool:
        """Whether the inputs are random numbers, and no real examples."""
        return self.origin == _RANDOM

    def __len__(self) -> int:
        return len(self.inputs[0])

    def __str__(self) -> str:
        return f"{len(self):,} examples of {self.origin}"


def take(data: Any, model: Any, origin: str, size: int = SIZE) -> Sample:
    """The first examples of data, as a model takes them.

    Args:
        data: A batched `tf.data.Dataset`, arrays `(x, y[, sample_weight])`, or
            inputs `x` alone: an array, or a list or dict of arrays.
        model, origin: The model, and what messages call the data.
        size: The largest number of examples.

    Raises:
        ExportError: The data do not fit the model.
    """
    try:
        inputs, labels = network(model).examples(data, size)
        arrays = inputs if labels is None else (*inputs, labels)
        sizes = {len(array) for array in arrays}
        if len(sizes) > 1 or sizes == {0}:
            raise ValueError(f"{' and '.join(map(str, sorted(sizes)))} examples")
    except (ValueError, TypeError) as error:
        ports = network(model).inputs
        wanted = ", ".join(f"{port.name} {port.shape}" for port in ports)
        raise ExportError(
            f"The {origin} must be batches or arrays of the model's inputs: {wanted}. "
            f"Received: {error}."
        ) from error
    return Sample(inputs, labels, origin)


def of_search(data: Data, model: Any) -> Sample:
    """Examples of a search: of its test data, else validation, else training data."""
    if data.test is not None:
        return take(data.test, model, "test data")
    if data.validation is not None:
        return take(data.validation, model, "validation data")
    return take(data.train, model, "training data")


def random(
    model: Any, size: int = SIZE, input_shape: Sequence[int] | None = None
) -> Sample:
    """Random inputs: normal numbers; as integers, rows of embeddings, or 0 and 1.

    `input_shape` is the shape of one example, if the model leaves it open.
    """
    draw = np.random.default_rng(0)
    largest = network(model).indices
    inputs = []
    for port in network(model).inputs:
        shape = (size, *_shape(port, input_shape))
        whole = port.dtype.startswith(("int", "uint"))
        if not (whole or port.dtype.startswith(("float", "bfloat"))):
            raise ExportError(
                "A model must be compared on real data unless its inputs are numbers. "
                f"Received: an input of {port.dtype}. Pass `data=`."
            )
        values = draw.integers(0, largest, shape) if whole else draw.normal(size=shape)
        inputs.append(values.astype(dtype_of(port.dtype)))
    return Sample(tuple(inputs), None, _RANDOM)


def _shape(port: Port, input_shape: Sequence[int] | None) -> tuple[int, ...]:
    """The shape of one example."""
    open_shape = port.shape[1:]
    if input_shape is None:
        if None in open_shape:
            raise ExportError(
                "A model with inputs of open size must be compared on real data, or on "
                f"inputs of a size. Received: an input of shape {port.shape}. "
                'Pass `data=`, or `input_shape=` for format="tflite".'
            )
        return tuple(size for size in open_shape if size is not None)
    fits = len(open_shape) == len(input_shape) and all(
        size in (None, given)
        for size, given in zip(open_shape, input_shape, strict=True)
    )
    if not fits:
        raise ExportError(
            "`input_shape` must be the shape of one example of each input. Received: "
            f"input_shape={tuple(input_shape)} for an input of shape {port.shape}."
        )
    return tuple(input_shape)
