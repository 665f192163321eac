"""Spoiled states: NaN, infinities, and pruned weights that are not zero."""

from typing import Any

import numpy as np

from tf_lottery.core.arrays import distinct
from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import State, Weights


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


def check_weights(kind: str, weights: Weights, masks: Masks) -> None:
    """Raises unless weights have the shapes of their masks and are finite."""
    for path, mask in masks.items():
        if path not in weights or weights[path].shape != mask.shape:
            raise TicketError(
                f"The ticket has a mask for {path!r}, but its {kind} have no array of "
                f"that path and shape, {mask.shape}."
            )
    for path in weights:
        if not is_finite(distinct(weights[path])):
            raise TicketError(f"The {kind} of {path!r} are not finite.")


def is_finite(array: Any) -> bool:
    """Whether an array has no NaN and no infinity; an array of text has none."""
    try:
        return bool(np.isfinite(np.asarray(array)).all())
    except TypeError:
        return True
