"""What must hold of the values in data: finite numbers, labels that have a class."""

from typing import Any

import numpy as np

from tf_lottery.bindings.shared.rows import leaves


def check_finite(values: Any, what: str) -> None:
    """Raises if arrays hold NaN or infinite numbers."""
    for part in leaves(values):
        if part is not None and (found := not_finite(part)):
            raise ValueError(
                f"{what} must be finite. Received: {found}. Remove or replace them."
            )


def not_finite(part: Any) -> str:
    """How many values are not finite, in words; empty if all are."""
    array = np.asarray(part)
    if array.dtype.kind not in "fc" or not array.size:
        return ""
    if np.isfinite(array.min()) and np.isfinite(array.max()):  # without a copy
        return ""
    nan, infinite = int(np.isnan(array).sum()), int(np.isinf(array).sum())
    words = [f"{nan:,} NaN"] * bool(nan) + [f"{infinite:,} infinite"] * bool(infinite)
    return f"{' and '.join(words)} of {array.size:,} values"


def check_classes(labels: Any, classes: int, name: str, ignored: Any = None) -> None:
    """Raises if a label is no class number of a model with that many outputs."""
    beyond = (labels < 0) | (labels >= classes)
    if ignored is not None:
        beyond &= labels != ignored
    if said := outside(labels, beyond):
        raise ValueError(
            f"The targets of `{name}` must be class numbers from 0 to {classes - 1}: "
            f"the model has {classes} outputs. Received: {said} targets. Number the "
            "classes from 0, or give the last layer more outputs."
        )


def outside(values: Any, beyond: Any) -> str:
    """Some values that are outside of what is known, and how many; empty if none."""
    if not beyond.any():
        return ""
    found = ", ".join(map(str, np.unique(values[beyond])[:5]))
    return f"{found} in {int(beyond.sum()):,} of {values.size:,}"
