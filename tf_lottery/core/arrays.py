"""Arrays that need little memory: computed when accessed, or one value if constant."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Mask = NDArray[np.bool_]


class Lazy(Mapping[str, Array]):
    """A mapping whose arrays are computed each time that they are accessed.

    A pickled or copied mapping holds the arrays themselves.
    """

    def __init__(self, names: Iterable[str], compute: Callable[[str], Array]) -> None:
        self._names = dict.fromkeys(names)
        self._compute = compute

    def __getitem__(self, name: str) -> Array:
        if name not in self._names:
            raise KeyError(name)
        return self._compute(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names  # without the array

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __reduce__(self) -> tuple[Any, ...]:
        # Without this, pickle would write each repeated value of a constant.
        arrays = ((name, array.shape, distinct(array)) for name, array in self.items())
        return _in_memory, (list(arrays),)


def in_chunks(array: Array, size: int) -> Iterator[Array]:
    """The values in order, `size` at a time: views, if the array is contiguous."""
    flat = array.reshape(-1)
    for start in range(0, max(flat.size, 1), size):
        yield flat[start : start + size]


def compact(array: Array) -> Array:
    """The array or, if all its values are equal, a read-only view of one value."""
    if array.size < 2 or array.dtype == object:
        return array
    rows = bits(array)
    if (rows[0] != rows[-1]).any() or not (rows == rows[0]).all():
        return array
    return np.broadcast_to(array.reshape(-1)[0].copy(), array.shape)


def distinct(array: Array) -> Array:
    """The array without repetitions of a view: one value for a view of `compact`."""
    once = (slice(0, 1) if stride == 0 else slice(None) for stride in array.strides)
    return array[(*once, ...)]


def bits(array: Array) -> Array:
    """The bits of each value as a row of integers, which differ for 0.0 and -0.0."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(f"u{min(flat.itemsize, 8)}").reshape(array.size, -1)


def _in_memory(arrays: list[tuple[str, tuple[int, ...], Array]]) -> dict[str, Array]:
    return {
        name: values if values.shape == shape else np.broadcast_to(values, shape)
        for name, shape, values in arrays
    }
