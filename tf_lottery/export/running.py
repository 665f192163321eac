"""Networks that are ready to run: live models by their binding, and files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery.export.bound import network

Arrays = Sequence[NDArray[Any]]
Predict = Callable[[Arrays], list[NDArray[Any]]]

_BATCH = 100  # examples


@dataclass(frozen=True)
class Loaded:
    """A file or a model that is ready to run.

    Attributes:
        predict: Computes its outputs in the model's order, for any number of examples.
        repeat: Takes one example, returns a function that computes it, to be timed.
        backend: What runs it, in words.
        packages: What runs it, as packages with versions.
    """

    predict: Predict
    repeat: Callable[[Arrays], Callable[[], Any]]
    backend: str
    packages: tuple[str, ...]


def keras_model(model: Any) -> Loaded:
    """A live Keras model, run by its binding."""
    seen = network(model)
    return Loaded(in_batches(seen.compute), seen.repeat, seen.backend, ())


def in_batches(predict: Predict, size: int | None = None) -> Predict:
    """A prediction of any number of examples, from one of `size` examples, or any."""

    def predict_all(inputs: Arrays) -> list[NDArray[Any]]:
        count = len(inputs[0])
        step = size or min(count, _BATCH)
        parts = []
        for start in range(0, count, step):
            rows = np.arange(start, start + step) % count  # the last batch is filled up
            parts.append(predict([array[rows] for array in inputs]))
        return [np.concatenate(p)[:count] for p in zip(*parts, strict=True)]

    return predict_all


def names_of(model: Any) -> tuple[list[str], list[str]]:
    """The names of a model's inputs, and of its outputs."""
    seen = network(model)
    return [port.name for port in seen.inputs], [port.name for port in seen.outputs]
