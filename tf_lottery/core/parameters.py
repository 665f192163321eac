"""The parameters of a whole model: how many there are, and how many a ticket keeps.

Only kernels are pruned, so a ticket that keeps 10% of the prunable weights may keep
most of its model.
"""

import math

from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import State

_NOTICEABLE = 0.01  # of two densities: both are said
# How names in a state begin that are not those of weights.
_OTHERS = ("optimizer:", "random:", "state:", "setting:")


def count(state: State, masks: Masks) -> int:
    """The number of parameters in a state, as `count_params` of Keras counts them.

    These are all weights, also frozen ones and the statistics of normalisations.
    Variables of the optimizer, random generators, states of recurrent layers and
    settings are not.
    """
    others = (n for n in state if not n.startswith(_OTHERS) and n not in masks)
    # A file knows sizes without reading its arrays.
    entries = getattr(state, "entries", None)
    shapes = ((entries or state)[name].shape for name in others)
    return masks.size + sum(map(math.prod, shapes))


def density(masks: Masks, parameters: int) -> float:
    """The fraction of all parameters that are kept; what cannot be pruned is kept."""
    return 1 - (masks.size - masks.kept) / parameters if parameters else 1.0


def differ(prunable: float, whole: float) -> bool:
    """Whether the density of a whole model differs noticeably from that of its masks.

    The limit is one point.
    """
    return abs(whole - prunable) >= _NOTICEABLE


def in_words(masks: Masks, parameters: int) -> str:
    """What is kept of the prunable weights, and of the model if that differs.

    Example:
        >>> masks = Masks({"dense/kernel": [[True, False]]})
        >>> in_words(masks, 2)
        '50.0% of the 2 prunable weights'
        >>> in_words(masks, 1000)
        '50.0% of the 2 prunable weights, 99.9% of all 1,000 parameters'
    """
    text = f"{masks.density:.1%} of the {masks.size:,} prunable weights"
    whole = density(masks, parameters)
    if not differ(masks.density, whole):
        return text
    return f"{text}, {whole:.1%} of all {parameters:,} parameters"
