"""Blocks: neighbouring weights of a matrix that are kept or removed together.

Sparse kernels are fast where zeros come in blocks. A block size is (units, inputs),
the order in which TFLite holds the weights of a dense layer. Keras holds them as
[inputs, units]: a block of (1, 4) is 4 by 1 in a Keras array.
"""

import itertools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tf_lottery.core.arrays import Mask
from tf_lottery.core.checks import is_count

# The rows and columns of a block in a Keras array.
Block = tuple[int, int]


def checked_block_size(block_size: object, scope: str) -> tuple[int, int]:
    """The block size as a tuple of two integers; global scope has no blocks."""
    sizes = tuple(block_size) if isinstance(block_size, list | tuple) else ()
    if len(sizes) != 2 or not all(map(is_count, sizes)):
        raise ValueError(
            "`block_size` must be two integers >= 1, units and inputs. Received: "
            f"block_size={block_size!r}. For TFLite's sparse kernel, write (1, 4)."
        )
    units, inputs = map(int, sizes)
    if scope == "global" and (units, inputs) != (1, 1):
        raise ValueError(
            '`block_size` must be (1, 1) with scope="global", which ranks single '
            f"weights of all layers together. Received: block_size={block_size!r}. "
            'For blocks, write scope="layerwise".'
        )
    return units, inputs


def blocks_by_path(
    shapes: Mapping[str, tuple[int, ...]], block_size: tuple[int, int]
) -> dict[str, Block]:
    """The shape of a block in each Keras array that is pruned in blocks.

    These are the matrices that the block divides exactly. All other arrays are
    missing in the result: their weights are pruned one by one.

    Example:
        >>> blocks_by_path({"dense/kernel": (8, 5), "logits/kernel": (5, 3)}, (1, 4))
        {'dense/kernel': (4, 1)}
    """
    units, inputs = block_size
    if units == inputs == 1:
        return {}
    return {
        path: (inputs, units)
        for path, shape in shapes.items()
        if len(shape) == 2 and shape[0] % inputs == 0 and shape[1] % units == 0
    }


def mask_of_blocks(path: str, mask: Mask, block: Block) -> Mask:
    """A mask with one value for each block, which must be kept or removed whole."""
    rows, columns = block
    blocks = mask[::rows, ::columns]
    if not np.array_equal(mask_of_weights(blocks, block), mask):
        raise ValueError(
            f"The mask of {path!r} must keep or remove whole blocks, of {rows} by "
            f"{columns} weights. Received: a block that is kept in part. Start from "
            "dense masks, and use one `block_size`."
        )
    return blocks


def mask_of_weights(blocks: Mask, block: Block) -> Mask:
    """The mask with one value for each weight."""
    rows, columns = block
    return blocks.repeat(rows, axis=0).repeat(columns, axis=1)


def scores_of_blocks(
    scores: NDArray[np.floating], block: Block
) -> NDArray[np.floating]:
    """The mean score of each block.

    Weights are added in the order of their positions: every machine gives the same
    bits.
    """
    rows, columns = block
    total = np.zeros(scores[::rows, ::columns].shape)
    with np.errstate(invalid="ignore"):  # infinities of both signs in removed blocks
        for row, column in itertools.product(range(rows), range(columns)):
            total += scores[row::rows, column::columns]
    return total / (rows * columns)
