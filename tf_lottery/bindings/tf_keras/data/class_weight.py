"""Class weights, as in Keras `fit`: weights of the training examples by their label."""

import contextlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.data import arrays

# From a dataset of batches to one whose examples are weighted.
Weigh = Callable[[Any], Any]

_make_map = keras.src.engine.data_adapter._make_class_weight_map_fn


def weighing(class_weight: Mapping[int, float] | None) -> Weigh:
    """Multiplies the weights of examples by those of their classes, as Keras does."""
    if class_weight is None:
        return lambda dataset: dataset
    _check(class_weight)
    by_class = _make_map({int(k): float(v) for k, v in class_weight.items()})

    def weighted(*batch: Any) -> Any:
        x, y, of_examples = arrays.unpacked(batch)
        x, y, weights = by_class(x, y)
        if of_examples is not None:
            # Keras' product needs a batch size that is known before batches are made.
            weights = tf.cast(weights, of_examples.dtype)
            for _ in range(weights.shape.rank - of_examples.shape.rank):
                of_examples = of_examples[..., None]
            weights = weights * of_examples
        return x, y, weights

    def weigh(dataset: Any) -> Any:
        _, y, _ = arrays.unpacked(dataset.element_spec)
        if y is None or tf.nest.is_nested(y):
            found = "no labels" if y is None else "several outputs"
            raise ValueError(
                "`class_weight` is for models with one output and its labels, as in "
                f"Keras. Received: {found}. Pass a sample_weight for each output: (x, "
                "y, sample_weight)."
            )
        return dataset.map(weighted)

    return weigh


def check_classes(class_weight: Mapping[int, float] | None, y: Any) -> None:
    """Raises if arrays of labels have a class without a weight."""
    if class_weight is None or not isinstance(y, np.ndarray):
        return
    one_hot = y.ndim >= 2 and y.shape[-1] > 1
    labels = y.argmax(-1) if one_hot else np.round(y)
    without = sorted({int(label) for label in np.unique(labels)} - set(class_weight))
    if without:
        raise ValueError(
            "`class_weight` must have a weight for each class of the labels. Received: "
            f"none for {', '.join(map(str, without[:5]))}, of classes "
            f"{sorted(class_weight)}."
        )


def _check(class_weight: Any) -> None:
    if not isinstance(class_weight, Mapping):
        raise TypeError(
            "`class_weight` must be a dict from class to weight, such as "
            f"{{0: 1.0, 1: 5.0}}. Received: {type(class_weight).__name__}."
        )
    if sorted(class_weight, key=str) != sorted(range(len(class_weight)), key=str):
        raise ValueError(
            "The classes of `class_weight` must be 0 to one less than their number. "
            f"Received: {list(class_weight)[:10]}."
        )
    for label, weight in class_weight.items():
        with contextlib.suppress(TypeError):
            if math.isfinite(weight):
                continue
        raise ValueError(
            "The weights of `class_weight` must be finite numbers. Received: "
            f"{weight!r} for class {label}."
        )
