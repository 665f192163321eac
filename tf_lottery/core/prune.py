"""Pruning: of the weights that survive, the lowest-scored go.

Exact counts, ties by position, never a removed weight back. tfmot's own mask
update does none of the three: it ranks the whole tensor, and a tie at zero
keeps everything.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tf_lottery.core.masks import Mask, Masks

Scores = Mapping[str, NDArray[np.floating]]
Rate = float | Mapping[str, float]


def prune(
    masks: Masks, scores: Scores, rate: Rate, *, scope: str = "layerwise"
) -> Masks:
    """Removes `round(rate * kept)` of the surviving weights, lowest scores first.

    Scores of removed weights are not looked at. Equal scores go in the order of
    their position, so the result is the same on every machine. Rates of a
    mapping that are 0 leave a weight alone.

    Args:
        masks: Which weights survive so far.
        scores: An array for each mask, of its shape; higher is kept.
        rate: The fraction of the survivors to remove, or one for each path.
        scope: "layerwise" ranks each weight array by itself, "global" all
            together (which needs one rate; others may only be 0).

    Returns:
        New masks, a subset of `masks`.

    Raises:
        ValueError: Scores that are missing, misshapen or NaN; rates outside
            [0, 1); an unknown scope.

    Example:
        >>> masks = Masks.full({"kernel": (4,)})
        >>> prune(masks, {"kernel": np.array([3.0, 0.0, 2.0, 1.0])}, 0.5)["kernel"]
        array([ True, False,  True, False])
    """
    rates = rates_by_path(masks, rate)
    if not isinstance(scores, Mapping):
        raise TypeError(
            "`scores` must map paths of weights to arrays; a criterion returns such a "
            f"dict. Received: {type(scores).__name__}."
        )
    scores = {path: np.asarray(scores[path]) for path in scores}
    _check_scores(masks, scores)
    pruned = dict(masks)
    for group, group_rate in groups(rates, scope):
        kept = sum(np.count_nonzero(masks[path]) for path in group)
        pruned |= _drop(
            {path: masks[path] for path in group}, scores, round(group_rate * kept)
        )
    return Masks(pruned)


def rates_by_path(masks: Mapping[str, object], rate: Rate) -> dict[str, float]:
    """One rate for each path, checked."""
    rates = dict(rate) if isinstance(rate, Mapping) else dict.fromkeys(masks, rate)
    if rates.keys() != masks.keys():
        raise ValueError(
            f"`rate` must name every mask. Received: rates for {sorted(rates)}, "
            f"masks for {sorted(masks)}."
        )
    for path, value in rates.items():
        if not 0 <= value < 1:
            raise ValueError(
                f"`rate` must be in [0, 1). Received: {value} for {path!r}."
            )
    return rates


def groups(rates: Mapping[str, float], scope: str) -> list[tuple[list[str], float]]:
    """The paths that are ranked together, and the rate at which they lose weights."""
    if scope == "layerwise":
        return [([path], rate) for path, rate in rates.items()]
    if scope != "global":
        raise ValueError(
            f'`scope` must be "layerwise" or "global". Received: scope={scope!r}.'
        )
    by_rate: dict[float, list[str]] = {}
    for path, rate in rates.items():
        by_rate.setdefault(rate, []).append(path)
    if len(by_rate.keys() - {0}) > 1:
        raise ValueError(
            'With scope="global" all weights share one rate; others may only be 0. '
            f"Received: {dict(rates)}."
        )
    return [(paths, rate) for rate, paths in by_rate.items()]


def _drop(masks: Mapping[str, Mask], scores: Scores, count: int) -> dict[str, Mask]:
    """The masks without the `count` lowest-scored survivors."""
    if count == 0:
        return dict(masks)
    parts = [scores[path][mask] for path, mask in masks.items()]
    survivors = np.concatenate(parts) if len(parts) > 1 else parts.pop()
    del parts
    survivors.partition(count - 1)
    threshold = survivors[count - 1]
    ties = count - int(np.count_nonzero(survivors < threshold))
    del survivors
    pruned = {}
    for path, mask in masks.items():
        kept = np.asarray(mask & (scores[path] >= threshold))
        tied = np.flatnonzero(kept & (scores[path] == threshold))[:ties]
        kept.flat[tied] = False
        ties -= len(tied)
        pruned[path] = kept
    return pruned


def _check_scores(masks: Masks, scores: Scores) -> None:
    for path, mask in masks.items():
        if path not in scores:
            raise ValueError(
                f"`scores` must have an array for every mask. {path!r} is missing."
            )
        if np.shape(scores[path]) != mask.shape:
            raise ValueError(
                f"The scores of {path!r} must have the mask's shape {mask.shape}. "
                f"Received: {np.shape(scores[path])}."
            )
        if np.isnan(scores[path][mask]).any():
            raise ValueError(
                f"The scores of {path!r} hold NaN, so its weights cannot be ranked."
            )
