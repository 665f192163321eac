"""Masks say which weights a ticket keeps: one bool array per weight array.

True is kept. They are values: arrays are read-only, and a change makes new masks.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tf_lottery.core.arrays import Lazy, Mask
from tf_lottery.core.packed import Packed


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
        self._packed = {p: Packed.of(_checked(p, arrays[p])) for p in arrays}

    @classmethod
    def of_packed(cls, packed: Mapping[str, Packed]) -> "Masks":
        """The masks with these bits."""
        masks = cls({})
        masks._packed = dict(packed)
        return masks

    @classmethod
    def full(cls, shapes: Mapping[str, tuple[int, ...]]) -> "Masks":
        """The masks of a dense network: every weight is kept."""
        return cls({path: np.ones(shape, bool) for path, shape in shapes.items()})

    @property
    def packed(self) -> dict[str, Packed]:
        """The bits of each mask, which must not be changed."""
        return dict(self._packed)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each weight array."""
        return {path: mask.shape for path, mask in self._packed.items()}

    @property
    def size(self) -> int:
        """The number of prunable weights."""
        return sum(mask.size for mask in self._packed.values())

    @property
    def kept(self) -> int:
        """The number of weights that survive."""
        return sum(mask.kept for mask in self._packed.values())

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
        return {p: _fraction(mask.kept, mask.size) for p, mask in self._packed.items()}

    def kept_by_layer(self) -> dict[str, int]:
        """The number of survivors in each weight array."""
        return {path: mask.kept for path, mask in self._packed.items()}

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
            sha.update(f"{path}{self._packed[path].shape}".encode())
            sha.update(self._packed[path].bits.data)
        return sha.hexdigest()

    def copy_of(self, path: str) -> Mask:
        """A mask that may be changed."""
        return self._packed[path].unpacked()

    def __getitem__(self, path: str) -> Mask:
        mask = self.copy_of(path)
        mask.flags.writeable = False
        return mask

    def __contains__(self, path: object) -> bool:
        return path in self._packed

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)

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
