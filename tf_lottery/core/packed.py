"""A mask as bits, which need an eighth of the memory of bools."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tf_lottery.core.arrays import Mask

_CHUNK = 2**17  # weights


class Packed(NamedTuple):
    """A mask with eight weights in a byte, in the order of `numpy.packbits`.

    Attributes:
        bits: The bytes; 1 is kept. Bits after the last weight are 0.
        shape: The shape of the mask.
        kept: How many weights it keeps.
    """

    bits: NDArray[np.uint8]
    shape: tuple[int, ...]
    kept: int

    @classmethod
    def of(cls, mask: Mask) -> "Packed":
        """The bits of a mask."""
        return cls(np.packbits(mask), mask.shape, int(np.count_nonzero(mask)))

    @classmethod
    def of_bits(cls, bits: NDArray[np.uint8], shape: tuple[int, ...]) -> "Packed":
        """The mask that `bits` are of, which are left as they are."""
        found = cls(bits, shape, 0)
        unused = 2 ** (-found.size % 8)
        if unused > 1 and bits[-1] % unused:
            bits = bits.copy()
            bits[-1] -= bits[-1] % unused
        chunks = found.in_chunks(_CHUNK)
        return cls(bits, shape, sum(int(np.count_nonzero(each)) for each in chunks))

    @property
    def size(self) -> int:
        """The number of weights."""
        return math.prod(self.shape)

    def unpacked(self) -> Mask:
        """The mask, as an array that may be changed."""
        flat = np.unpackbits(self.bits, count=self.size)
        return flat.view(np.bool_).reshape(self.shape)

    def in_chunks(self, size: int) -> Iterator[Mask]:
        """The mask in order, `size` weights at a time, which must divide by 8."""
        for start in range(0, max(self.size, 1), size):
            bits = self.bits[start // 8 : (start + size) // 8]
            count = min(size, self.size - start)
            yield np.unpackbits(bits, count=count).view(np.bool_)
