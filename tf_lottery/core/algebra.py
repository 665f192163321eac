"""Tickets as sets of weights: overlap, union and intersection of two tickets.

Both must be of the same model: their masks have the same paths and shapes.
"""

import numpy as np

from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks
from tf_lottery.core.ticket import Ticket


def overlap(one: Ticket | Masks, other: Ticket | Masks) -> dict[str, float]:
    """The weights that both keep, as a fraction of those that either keeps.

    This is the Jaccard index of each layer: 1 for equal masks, also if both keep
    nothing, and 0 for masks without a common weight. Compare it with
    `expected_overlap`: masks of high density overlap by chance.

    Raises:
        TicketError: Masks of different models.

    Example:
        >>> one = Masks({"k": [True, True, False, False]})
        >>> overlap(one, Masks({"k": [True, False, True, False]}))
        {'k': 0.3333333333333333}
    """
    both = intersection(one, other).kept_by_layer()
    either = union(one, other).kept_by_layer()
    return {path: both[path] / n if n else 1.0 for path, n in either.items()}


def expected_overlap(one: Ticket | Masks, other: Ticket | Masks) -> dict[str, float]:
    """The mean overlap of random masks that keep as many weights in each layer.

    Exact up to rounding: the number of weights that two random masks share has a
    hypergeometric distribution. Assumes single weights, not blocks.

    Raises:
        TicketError: Masks of different models.

    Example:
        >>> one = Masks({"k": [True, False]})
        >>> expected_overlap(one, one)  # the same weight, or the other one
        {'k': 0.5}
    """
    first, second = _both(one, other)
    kept, others = first.kept_by_layer(), second.kept_by_layer()
    return {p: _expected(first[p].size, kept[p], others[p]) for p in first}


def union(one: Ticket | Masks, other: Ticket | Masks) -> Masks:
    """Masks that keep each weight that either ticket keeps.

    Raises:
        TicketError: Masks of different models.

    Example:
        >>> one, other = Masks({"k": [True, False]}), Masks({"k": [False, False]})
        >>> union(one, other)["k"]
        array([ True, False])
    """
    first, second = _both(one, other)
    return Masks({path: first[path] | second[path] for path in first})


def intersection(one: Ticket | Masks, other: Ticket | Masks) -> Masks:
    """Masks that keep each weight that both tickets keep.

    Raises:
        TicketError: Masks of different models.

    Example:
        >>> one, other = Masks({"k": [True, False]}), Masks({"k": [True, True]})
        >>> intersection(one, other)["k"]
        array([ True, False])
    """
    first, second = _both(one, other)
    return Masks({path: first[path] & second[path] for path in first})


def _both(one: Ticket | Masks, other: Ticket | Masks) -> tuple[Masks, Masks]:
    """The masks of both, after a check that they are of one model."""
    for each in (one, other):
        if not isinstance(each, Ticket | Masks):
            raise TypeError(
                "Only tickets and masks can be compared. "
                f"Received: {type(each).__name__}."
            )
    first, second = (x.masks if isinstance(x, Ticket) else x for x in (one, other))
    differs = [f"only the first has {path!r}" for path in first if path not in second]
    differs += [f"only the second has {path!r}" for path in second if path not in first]
    shapes, others = first.shapes, second.shapes
    differs += [
        f"{path!r} has shape {shapes[path]} in the first and {others[path]} in the "
        "second"
        for path in shapes
        if shapes[path] != others.get(path, shapes[path])
    ]
    if differs:
        raise TicketError(
            "Both tickets must be of the same model, with masks of equal names and "
            f"shapes. Received: {'; '.join(differs)}."
        )
    return first, second


def _expected(size: int, kept: int, other: int) -> float:
    """The mean overlap of two random sets of so many out of `size` weights."""
    if kept == other == 0:
        return 1.0
    shared = np.arange(max(0, kept + other - size), min(kept, other) + 1, dtype=float)
    # Each chance follows from the one before; as logarithms, as most are tiny.
    now, neither = shared[:-1], size - kept - other + shared[1:]
    ratios = (kept - now) * (other - now) / ((now + 1) * neither)
    logs = np.concatenate([[0.0], np.cumsum(np.log(ratios))])
    chances = np.exp(logs - logs.max())
    overlaps = shared / (kept + other - shared)
    return float(chances @ overlaps / chances.sum())
