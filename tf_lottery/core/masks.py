"""Masks say which weights a ticket keeps: one bool array per weight array.

True is kept. They are values: arrays are read-only, and a change makes new masks.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tf_lottery.core.arrays import Lazy, Mask


class Masks(Mapping[str, Mask]):
    """Read-only bool arrays by weight path; True is kept.

    Args:
        arrays: Weight path (`block1/conv/kernel`) to mask.

    Example:
        >>> masks = Masks({"dense/kernel": [[True, False], [True, True]]})
        >>> masks.density, masks.kept, masks.size
        (0.75, 3, 4)
    """

    def __init__(self, arrays: Mapping[str, ArrayLike]) -> None:
        # As bits, since a search has the masks of all rounds in memory.
        self._bits: dict[str, NDArray[np.uint8]] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._kept: dict[str, int] = {}
        for path in arrays:
            mask = _checked(path, arrays[path])
            self._bits[path] = np.packbits(mask)
            self._shapes[path] = mask.shape
            self._kept[path] = int(np.count_nonzero(mask))

    @classmethod
    def full(cls, shapes: Mapping[str, tuple[int, ...]]) -> "Masks":
        """The masks of a dense network: every weight is kept."""
        return cls({path: np.ones(shape, bool) for path, shape in shapes.items()})

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each weight array."""
        return dict(self._shapes)

    @property
    def size(self) -> int:
        """The number of prunable weights."""
        return sum(map(math.prod, self._shapes.values()))

    @property
    def kept(self) -> int:
        """The number of weights that survive."""
        return sum(self._kept.values())

    @property
    def density(self) -> float:
        """The fraction that survives, 0 to 1 (the paper's P_m); 1 without masks."""
        return _fraction(self.kept, self.size)

    @property
    def sparsity(self) -> float:
        """The fraction that is removed, 0 to 1."""
        return 1.0 - self.density

    def by_layer(self) -> dict[str, float]:
        """The density of each weight array."""
        sizes = {path: math.prod(shape) for path, shape in self._shapes.items()}
        return {path: _fraction(kept, sizes[path]) for path, kept in self._kept.items()}

    def kept_by_layer(self) -> dict[str, int]:
        """The number of survivors in each weight array."""
        return dict(self._kept)

    def issubset(self, other: "Masks") -> bool:
        """Whether `other` keeps every weight that these masks keep."""
        return self.keys() == other.keys() and all(
            self[path].shape == other[path].shape
            and bool((self[path] <= other[path]).all())
            for path in self
        )

    def digest(self) -> str:
        """A SHA-256 of paths, shapes and bits, the same on every machine."""
        sha = hashlib.sha256()
        for path in sorted(self):
            sha.update(f"{path}{self._shapes[path]}".encode())
            sha.update(self._bits[path].tobytes())
        return sha.hexdigest()

    def copy_of(self, path: str) -> Mask:
        """A mask that may be changed."""
        shape = self._shapes[path]
        bits = np.unpackbits(self._bits[path], count=math.prod(shape))
        return bits.view(np.bool_).reshape(shape)

    def __getitem__(self, path: str) -> Mask:
        mask = self.copy_of(path)
        mask.flags.writeable = False
        return mask

    def __contains__(self, path: object) -> bool:
        return path in self._shapes

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Masks)
            and self.keys() == other.keys()
            and all(np.array_equal(self[path], other[path]) for path in self)
        )

    def __hash__(self) -> int:
        return hash(self.digest())

    def __repr__(self) -> str:
        arrays = f"{len(self)} kernel{'s' * (len(self) != 1)}"
        return f"Masks({arrays}, {self.in_words()})"

    def in_words(self) -> str:
        """What they keep.

        Example:
            >>> Masks({"dense/kernel": [[True, False]]}).in_words()
            '50.0% of 2 weights'
        """
        return f"{self.density:.1%} of {self.size:,} weights"


def masked(array: NDArray[Any], mask: Any) -> NDArray[Any]:
    """The array with +0.0 where the mask is False; without a mask, the array."""
    # Not `array * mask`: -1 * 0 is -0.0, and infinity * 0 is NaN.
    return array if mask is None else np.where(mask, array, array.dtype.type(0))


def masked_weights(state: Mapping[str, NDArray[Any]], masks: Masks) -> Lazy:
    """The weights of a state, each masked when it is accessed.

    Names with a colon are not weights, and are left out.
    """
    names = (name for name in state if ":" not in name)
    return Lazy(names, lambda name: masked(state[name], masks.get(name)))


def _fraction(kept: int, size: int) -> float:
    return kept / size if size else 1.0


def _checked(path: str, array: ArrayLike) -> Mask:
    mask = np.asarray(array)
    if mask.dtype != np.bool_:
        raise TypeError(
            f"A mask must be a bool array, True = kept. Received: {path!r} of type "
            f"{mask.dtype}."
        )
    return mask
