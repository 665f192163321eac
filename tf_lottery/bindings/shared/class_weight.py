"""Class weights, as in Keras `fit`: what must hold of them."""

import contextlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def classes(y: Any) -> Any:
    """The class numbers of an array of labels; of one-hot ones, the largest."""
    one_hot = y.ndim >= 2 and y.shape[-1] > 1
    return (y.argmax(-1) if one_hot else np.round(y)).astype(np.int64)


def check_classes(class_weight: Mapping[int, float] | None, y: Any) -> None:
    """Raises if arrays of labels have a class without a weight."""
    if class_weight is None or not isinstance(y, np.ndarray):
        return
    without = sorted({*np.unique(classes(y)).tolist()} - set(class_weight))
    if without:
        raise ValueError(
            "`class_weight` must have a weight for each class of the labels. Received: "
            f"none for {', '.join(map(str, without[:5]))}, of classes "
            f"{sorted(class_weight)}."
        )


def check_labels(y: Any) -> None:
    """Raises unless there are the labels of one output."""
    if y is None or isinstance(y, Mapping | list | tuple):
        found = "no labels" if y is None else "several outputs"
        raise ValueError(
            "`class_weight` is for models with one output and its labels, as in "
            f"Keras. Received: {found}. Pass a sample_weight for each output: (x, "
            "y, sample_weight)."
        )


def check(class_weight: Any) -> None:
    """Raises unless it gives each class, numbered from 0, a finite weight."""
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
