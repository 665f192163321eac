"""The lowest of many numbers: found exactly, without a copy of them.

Numbers are read as integers of the same order, and those are counted by 16 bits at a
time, the highest first, as radix sort does. So the memory is that of a chunk, and the
time does not depend on the values.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery.core.arrays import Array, Mask, in_chunks

_DIGIT = 16  # bits
_CHUNK = 2**18  # values, which stay in the cache of a core

Keys = NDArray[np.unsignedinteger[Any]]


def drop_lowest(arrays: Sequence[Array], masks: Sequence[Mask], count: int) -> None:
    """Takes the `count` lowest values of all arrays out of their masks, in place.

    Values that are not in the masks are not looked at. Equal values go in the order of
    arrays and positions. NaN is not among the values.

    Args:
        arrays: Numbers of at most 64 bits.
        masks: A contiguous mask for each array, of its shape.
        count: At least 1, and at most the number of values in the masks.

    Raises:
        TypeError: Other numbers, such as complex ones.
    """
    dtype = _common(arrays)
    pairs = list(zip(arrays, masks, strict=True))
    highest, ties = _key_of_rank(pairs, dtype, count - 1)
    for keys, mask in _keys(pairs, dtype):
        tied = np.flatnonzero((keys == highest) & mask)[:ties]
        mask &= keys >= highest
        mask[tied] = False
        ties -= len(tied)


def has_nan(array: Array, mask: Mask) -> bool:
    """Whether there is NaN in the mask."""
    if array.dtype.kind in "biu":
        return False
    pairs = zip(in_chunks(array, _CHUNK), in_chunks(mask, _CHUNK), strict=True)
    return any((np.isnan(values) & kept).any() for values, kept in pairs)


def _common(arrays: Sequence[Array]) -> np.dtype[Any]:
    """A type that holds the numbers of all arrays, in whole digits."""
    dtype = np.result_type(*(array.dtype for array in arrays))
    if dtype.isbuiltin == 2:  # of ml_dtypes, such as bfloat16
        return np.dtype(np.float32)
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise TypeError(
            f"Scores must be real numbers of at most 64 bits. Received: {dtype}."
        )
    return np.dtype(np.int16) if dtype.itemsize == 1 else dtype


def _key_of_rank(
    pairs: Sequence[tuple[Array, Mask]], dtype: np.dtype[Any], rank: int
) -> tuple[Any, int]:
    """The key of a rank from 0, and how many keys up to that rank equal it."""
    found, shift = 0, 8 * dtype.itemsize
    while shift:
        shift -= _DIGIT
        counts = np.zeros(2**_DIGIT, np.intp)
        for keys, _ in _keys(pairs, dtype):
            digits = keys >> keys.dtype.type(shift)
            if shift + _DIGIT < 8 * dtype.itemsize:
                digits = digits[digits >> keys.dtype.type(_DIGIT) == found]
                digits = digits & keys.dtype.type(2**_DIGIT - 1)
            counts += np.bincount(digits.astype(np.intp), minlength=len(counts))
        below = np.cumsum(counts)
        digit = int(np.searchsorted(below, rank, side="right"))
        rank -= int(below[digit] - counts[digit])
        found = found << _DIGIT | digit
    return np.dtype(f"u{dtype.itemsize}").type(found), rank + 1


def _keys(
    pairs: Sequence[tuple[Array, Mask]], dtype: np.dtype[Any]
) -> Iterator[tuple[Keys, Mask]]:
    """Integers in the order of the values, and the mask, chunk by chunk.

    Values outside of the mask come last.
    """
    unsigned = np.dtype(f"u{dtype.itemsize}")
    top = unsigned.type(1 << 8 * dtype.itemsize - 1)
    last = unsigned.type(np.iinfo(unsigned).max)
    for array, mask in pairs:
        masks = in_chunks(mask, _CHUNK)
        for values, kept in zip(in_chunks(array, _CHUNK), masks, strict=True):
            values = values.astype(dtype, copy=False)
            keys = values.view(unsigned)
            if dtype.kind == "f":
                # Zeros of both signs are equal. Bits of negative numbers count down.
                signed = (values + dtype.type(0)).view(f"i{dtype.itemsize}")
                down = (signed >> 8 * dtype.itemsize - 1).view(unsigned)
                keys = signed.view(unsigned) ^ (down | top)
            elif dtype.kind == "i":
                keys = keys ^ top
            yield np.where(kept, keys, last), kept
