"""Seeds: everything random derives its own from one, by name."""

import zlib

import numpy as np
from numpy.typing import NDArray


def derive(seed: int, *names: object) -> int:
    """A seed of its own for each name, equal on every machine.

    Example:
        >>> derive(0, "replicate", 1) == derive(0, "replicate", 2)
        False
    """
    return zlib.crc32("/".join(map(str, (seed, *names))).encode())


def row_order(seed: int, number: int, size: int) -> NDArray[np.int64]:
    """The order of rows in memory in one pass over them, equal with every framework.

    Args:
        seed: That of the plan.
        number: The number of the pass, from 0.
        size: How many rows there are.

    Example:
        >>> row_order(0, 1, 4)
        array([1, 2, 0, 3])
    """
    # NumPy promises to keep the draws of this legacy generator (NEP 19).
    draw = np.random.RandomState([seed % 2**32, number])
    return draw.permutation(size).astype(np.int64)
