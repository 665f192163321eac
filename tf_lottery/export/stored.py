"""Weights as a file holds them, whatever its format."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class StoredTensor:
    """Weights as a file holds them.

    Attributes:
        name: Their name in the file.
        shape: Their shape in the file; a dense layer's in TFLite is (units, inputs).
        type: Such as "float32".
        encoding: "dense", "sparse", "sparse 1x4 blocks" or "bitmask and values".
        stored: How many values the file holds.
        nonzero: How many of these values are not zero.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    encoding: str
    stored: int
    nonzero: int

    @property
    def density(self) -> float:
        """The fraction of the weights that is not zero."""
        return self.nonzero / max(1, math.prod(self.shape))


def stored(
    name: str,
    shape: tuple[int, ...],
    encoding: str,
    values: NDArray[Any],
    zero: Any = 0,
) -> StoredTensor:
    """The tensor with the values that the file holds; `zero` is what means zero."""
    nonzero = int(np.count_nonzero(values != zero))
    return StoredTensor(name, shape, values.dtype.name, encoding, values.size, nonzero)


def matrices(arrays: Mapping[str, NDArray[Any]]) -> list[StoredTensor]:
    """The matrices among arrays that were read from a file, by their names."""
    return [stored(n, a.shape, "dense", a) for n, a in arrays.items() if a.ndim > 1]
