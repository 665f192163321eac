"""What no training can go on from: NaN, infinities, pruned weights that returned."""

from typing import Any

import numpy as np

from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import State


def not_finite(state: State, start: State) -> list[str]:
    """The names of arrays that hold NaN or infinities, and did not at the start."""
    return [
        name
        for name in state
        if not is_finite(state[name])
        and not (name in start and not is_finite(start[name]))
    ]


def unmasked(state: State, masks: Masks) -> list[str]:
    """The paths of weights that are pruned, but not zero."""
    found = (path for path in masks if path in state)
    return [path for path in found if np.any(state[path][~masks[path]])]


def is_finite(array: Any) -> bool:
    """Whether an array holds neither NaN nor infinities, as words do not."""
    try:
        return bool(np.isfinite(np.asarray(array)).all())
    except TypeError:
        return True
