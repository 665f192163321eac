"""Spoiled states: NaN, infinities, and pruned weights that are not zero."""

from typing import Any

import numpy as np

from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import State


def not_finite(state: State, start: State) -> list[str]:
    """The names of arrays with NaN or infinities that had none at the start."""
    return [
        name
        for name in state
        if not is_finite(state[name]) and (name not in start or is_finite(start[name]))
    ]


def unmasked(state: State, masks: Masks) -> list[str]:
    """The paths of arrays in which a pruned weight is not zero."""
    found = (path for path in masks if path in state)
    return [path for path in found if np.any(state[path][~masks[path]])]


def is_finite(array: Any) -> bool:
    """Whether an array has no NaN and no infinity; an array of text has none."""
    try:
        return bool(np.isfinite(np.asarray(array)).all())
    except TypeError:
        return True
