"""Pruning: of the surviving weights, those with the lowest scores are removed.

The number is exact, position decides between ties, and a removed weight never returns.
tfmot's own mask update guarantees none of the three: it ranks the whole tensor, and a
tie at zero keeps everything.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tf_lottery.core.blocks import (
    blocks_by_path,
    checked_block_size,
    mask_of_blocks,
    mask_of_weights,
    scores_of_blocks,
)
from tf_lottery.core.checks import check_choice
from tf_lottery.core.choices import SCOPES
from tf_lottery.core.lowest import drop_lowest, has_nan
from tf_lottery.core.masks import Masks

Scores = Mapping[str, NDArray[np.floating]]
Rate = float | Mapping[str, float]


def prune(
    masks: Masks,
    scores: Scores,
    rate: Rate,
    *,
    scope: str = "layerwise",
    block_size: tuple[int, int] = (1, 1),
) -> Masks:
    """Removes `round(rate * kept)` of the surviving weights, lowest scores first.

    Scores of removed weights are not looked at. Equal scores go in the order of
    their paths and positions, so the result is the same on every machine, and in
    every order of the masks. Rates of a mapping that are 0 leave a weight alone.

    With a `block_size` all of this is said of the blocks of a matrix, each with
    the mean of its scores: `round(rate * blocks)` of them are removed.

    Args:
        masks: Which weights survive so far.
        scores: An array for each mask, of its shape; higher is kept.
        rate: The fraction of the survivors to remove, or one for each path.
        scope: "layerwise" ranks each weight array by itself, "global" all
            together (which needs one rate; others may only be 0).
        block_size: (units, inputs) of a block, see `tf_lottery.Plan`.

    Returns:
        New masks, a subset of `masks`.

    Raises:
        ValueError: Scores that are missing, misshapen or NaN; rates outside
            [0, 1); an unknown scope; a block size that cannot work; a block
            that `masks` keeps in part.

    Example:
        >>> masks = Masks.full({"kernel": (4,)})
        >>> prune(masks, {"kernel": np.array([3.0, 0.0, 2.0, 1.0])}, 0.5)["kernel"]
        array([ True, False,  True, False])
    """
    rates = rates_by_path(masks, rate)
    blocks = blocks_by_path(masks.shapes, checked_block_size(block_size, scope))
    arrays = _arrays(masks.shapes, scores)
    pruned = {path: masks.copy_of(path) for path in masks}
    for path, block in blocks.items():
        pruned[path] = mask_of_blocks(path, pruned[path], block).copy()
        arrays[path] = scores_of_blocks(arrays[path], block)
    for path, mask in pruned.items():
        if has_nan(arrays[path], mask):
            raise ValueError(
                f"The scores of {path!r} hold NaN, so its weights cannot be ranked."
            )
    for group, group_rate in groups(rates, scope):
        kept = [pruned[path] for path in group]
        count = round(group_rate * sum(map(np.count_nonzero, kept)))
        if count:
            drop_lowest([arrays[path] for path in group], kept, count)
    for path, block in blocks.items():
        pruned[path] = mask_of_weights(pruned[path], block)
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
    check_choice("scope", scope, SCOPES)
    if scope == "layerwise":
        return [([path], rate) for path, rate in rates.items()]
    by_rate: dict[float, list[str]] = {}
    for path, rate in sorted(rates.items()):
        by_rate.setdefault(rate, []).append(path)
    if len(by_rate.keys() - {0}) > 1:
        raise ValueError(
            'With scope="global" all weights share one rate; others may only be 0. '
            f"Received: {dict(rates)}."
        )
    return [(paths, rate) for rate, paths in by_rate.items()]


def _arrays(
    shapes: Mapping[str, tuple[int, ...]], scores: Scores
) -> dict[str, NDArray[np.floating]]:
    if not isinstance(scores, Mapping):
        raise TypeError(
            "`scores` must map paths of weights to arrays; a criterion returns such a "
            f"dict. Received: {type(scores).__name__}."
        )
    arrays = {path: np.asarray(scores[path]) for path in scores}
    for path, shape in shapes.items():
        if path not in arrays:
            raise ValueError(
                f"`scores` must have an array for every mask. {path!r} is missing."
            )
        if arrays[path].shape != shape:
            raise ValueError(
                f"The scores of {path!r} must have the mask's shape {shape}. "
                f"Received: {arrays[path].shape}."
            )
    return arrays
