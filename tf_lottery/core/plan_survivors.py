"""How many weights survive each round of a plan, counted exactly."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tf_lottery.core.blocks import blocks_by_path
from tf_lottery.core.masks import Masks
from tf_lottery.core.prune import groups

if TYPE_CHECKING:
    from tf_lottery.core.plan import Plan


def groups_at(
    plan: "Plan", number: int, shapes: Mapping[str, tuple[int, ...]]
) -> list[tuple[list[str], int]]:
    """The paths that are ranked together, and how many of their weights survive.

    The recurrence is `kept -= round(rate * kept)`, for each weight array or, with
    global scope, for all arrays together. Where weights are pruned in blocks, it
    counts blocks.
    """
    blocks = blocks_by_path(shapes, plan.block_size)
    survivors = []
    for paths, rate in groups(plan.rates(shapes), plan.scope):
        # An array with blocks is ranked alone.
        area = math.prod(blocks.get(paths[0], ()))
        size = sum(math.prod(shapes[path]) for path in paths)
        survivors.append((paths, area * _shrink(size // area, rate, number)))
    return survivors


def miscount(plan: "Plan", number: int, masks: Masks) -> str:
    """What is wrong with the number of survivors after a round; empty if nothing."""
    kept = masks.kept_by_layer()
    planned = groups_at(plan, number, masks.shapes)
    wrong = [
        f"{found} of {', '.join(paths)}, planned {count}"
        for paths, count in planned
        if (found := sum(kept[path] for path in paths)) != count
    ]
    if not wrong:
        return ""
    return (
        f"Round {number} keeps {masks.kept} weights; the plan keeps "
        f"{sum(count for _, count in planned)}. It keeps {'; '.join(wrong)}."
    )


def _shrink(kept: int, rate: float, rounds: int) -> int:
    for _ in range(rounds):
        removed = round(rate * kept)
        if not removed:  # and none is removed in any later round
            break
        kept -= removed
    return kept
