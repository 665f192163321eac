"""How arrays are stored: as bits, survivors, one value of a constant, or dense."""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tf_lottery.core.arrays import Array, distinct, in_chunks
from tf_lottery.core.packed import Packed

Read = Callable[[Array], None]

_CHUNK = 2**20  # values, a multiple of 8
_LARGEST_RANK = 32  # of NumPy 1
# The types that other readers of safetensors know by these names.
_TYPES = {
    **{f"float{n}": f"F{n}" for n in (16, 32, 64)},
    **{f"int{n}": f"I{n}" for n in (8, 16, 32, 64)},
    **{f"uint{n}": f"U{n}" for n in (8, 16, 32, 64)},
    "bfloat16": "BF16",
}


class Entry(NamedTuple):
    """The description of an array in a file, with the digest of its stored bytes.

    `encoding` is "bits", "survivors", "constant" or "dense".
    """

    encoding: str
    dtype: str
    shape: list[int]
    sha256: str


class Stored(NamedTuple):
    """An array in the form in which it is stored, and the type's name in safetensors.

    The position of its first byte must be a multiple of `alignment`.
    """

    encoding: str
    dtype: str
    shape: list[int]
    alignment: int
    chunks: Iterator[Array]


def stored(array: Array, mask: Packed | None = None, *, masked: bool = False) -> Stored:
    """The stored form of an array of numbers.

    Args:
        array: The numbers.
        mask: Where it is False and all numbers are 0, they are left out.
        masked: Whether all numbers are taken as 0 there.

    Raises:
        TypeError: An array of something else, such as text.
    """
    is_of_ml_dtypes = array.dtype.isbuiltin == 2
    if array.dtype.kind not in "biufc" and not is_of_ml_dtypes:
        raise TypeError(
            f"A file can only hold arrays of numbers. Received: {array.dtype}."
        )
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    encoding, shape, chunks = _encode(array, mask, masked)
    kind = np.dtype("u1") if encoding == "bits" else array.dtype
    if kind.name in _TYPES:
        return Stored(encoding, _TYPES[kind.name], shape, kind.itemsize, chunks)
    # As bytes, which every reader knows.
    return Stored(encoding, "U8", [math.prod(shape) * kind.itemsize], 1, chunks)


def stored_mask(mask: Packed) -> Stored:
    """The stored form of a mask."""
    return Stored("bits", "U8", [mask.bits.size], 1, in_chunks(mask.bits, _CHUNK))


def size_of(entry: Entry, mask: Packed | None) -> int:
    """How many bytes an array has in a file.

    Raises:
        ValueError: The description of the array, from the file, cannot be right.
    """
    encoding, dtype, shape = entry.encoding, dtype_of(entry.dtype), entry.shape
    counts = all(type(length) is int and length >= 0 for length in shape)
    if not counts or len(shape) > _LARGEST_RANK:
        raise ValueError(f"{shape!r:.80} is not a shape")
    known = encoding in ("bits", "survivors", "constant", "dense")
    if not known or (encoding == "bits") != (dtype == np.bool_):
        raise ValueError(f"{encoding!r:.80} is not how {dtype} is stored")
    size = math.prod(shape)
    if encoding == "constant" and size < 2:
        raise ValueError("a constant has several values")
    if mask is not None:
        if list(mask.shape) != shape:
            raise ValueError(f"its mask has the shape {mask.shape}")
        size = mask.kept
    sizes = {"bits": -(-size // 8), "constant": dtype.itemsize}
    return sizes.get(encoding, size * dtype.itemsize)


def decoded(read: Read, entry: Entry, mask: Packed | None) -> Array:
    """The array of an entry.

    `read` fills an array with the next bytes of the file; `size_of` is how many are
    read. What it filled may not change before it is called again.
    """
    size = math.prod(entry.shape)
    if entry.encoding == "bits":
        return packed(read, entry).unpacked()
    dtype = dtype_of(entry.dtype)
    if entry.encoding == "constant":
        return np.broadcast_to(_filled(read, 1, dtype).reshape(()), entry.shape)
    if mask is None:
        return _filled(read, size, dtype).reshape(entry.shape)
    return _scattered(read, dtype, mask)


def packed(read: Read, entry: Entry, _: Packed | None = None) -> Packed:
    """The mask of an entry that is stored as bits; see `decoded`."""
    size = -(-math.prod(entry.shape) // 8)
    bits = _filled(read, size, np.dtype(np.uint8))
    return Packed.of_bits(bits, tuple(entry.shape))


def dtype_of(name: str) -> np.dtype[Any]:
    """The type with that name, including those of ml_dtypes (bfloat16)."""
    try:
        found: np.dtype[Any] = np.dtype(name)
    except TypeError:
        import ml_dtypes  # comes with TensorFlow

        found = np.dtype(getattr(ml_dtypes, str(name), object))
    if found.name != name or found.hasobject:
        raise ValueError(f"there is no type {name!r:.80}")
    return found


def _encode(
    array: Array, mask: Packed | None, masked: bool
) -> tuple[str, list[int], Iterator[Array]]:
    """The encoding of an array, its stored shape, and its stored values in chunks."""
    if array.dtype == np.bool_:
        bits = np.packbits(array)
        return "bits", [bits.size], in_chunks(bits, _CHUNK)
    partial = mask is not None and mask.shape == array.shape and mask.kept < mask.size
    is_constant = array.size > 1 and not any(array.strides)
    if is_constant and not (partial and masked):
        return "constant", [1], iter([distinct(array).reshape(1)])
    if mask is not None and partial and (masked or _is_packable(array, mask)):
        pairs = zip(in_chunks(array, _CHUNK), mask.in_chunks(_CHUNK), strict=True)
        survivors = (values.compress(kept) for values, kept in pairs)
        return "survivors", [mask.kept], survivors
    return "dense", list(array.shape), in_chunks(array, _CHUNK)


def _filled(read: Read, size: int, dtype: np.dtype[Any]) -> Array:
    """An array of one dimension, read from the file."""
    array = np.empty(size * dtype.itemsize, np.uint8)
    read(array)
    return array.view(dtype)


def _scattered(read: Read, dtype: np.dtype[Any], mask: Packed) -> Array:
    """An array with what is read where the mask is True, and zeros elsewhere."""
    array = np.zeros(mask.shape, dtype)
    # Two, as one is hashed while the other is filled.
    buffers = itertools.cycle(np.empty((2, min(_CHUNK, mask.size)), dtype))
    chunks = zip(
        in_chunks(array, _CHUNK), mask.in_chunks(_CHUNK), buffers, strict=False
    )
    for chunk, kept, buffer in chunks:
        positions = np.flatnonzero(kept)  # faster than `chunk[kept] = values`
        values = buffer[: len(positions)]
        read(values.view(np.uint8))
        chunk[positions] = values
    return array


def _is_packable(array: Array, mask: Packed) -> bool:
    """Whether all removed weights are zero."""
    pairs = zip(in_chunks(array, _CHUNK), mask.in_chunks(_CHUNK), strict=True)
    return not any(((values != 0) > kept).any() for values, kept in pairs)
