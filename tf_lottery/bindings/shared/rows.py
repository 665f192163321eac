"""Rows in memory: arrays, and structures of them, in every form that `fit` takes.

Each framework says what its own kinds of rows become: `convert` makes one array, or
what stands for one.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

Convert = Callable[[Any], Any]

_FORMS = (
    "a batched tf.data.Dataset, arrays (x, y) or (x, y, sample_weight), or a "
    "`keras.utils.Sequence`"
)
_FUNCTION = "; or a function of the seed that returns one of them or a generator"
_SCALARS = (bool, int, float, complex, str, bytes, np.generic)


def leaves(structure: Any) -> Iterator[Any]:
    """What a structure of dicts, lists and tuples holds, dicts by sorted keys."""
    if isinstance(structure, Mapping):
        structure = [structure[key] for key in sorted(structure)]
    if isinstance(structure, list | tuple):
        for part in structure:
            yield from leaves(part)
    else:
        yield structure


def mapped(function: Convert, structure: Any) -> Any:
    """A structure of dicts and tuples, with each leaf replaced; None stays."""
    if isinstance(structure, Mapping):
        return {name: mapped(function, part) for name, part in structure.items()}
    if isinstance(structure, list | tuple):
        return tuple(mapped(function, part) for part in structure)
    return None if structure is None else function(structure)


def as_arrays(value: Any, convert: Convert) -> Any:
    """One array, or a structure of them; a list of arrays is several inputs."""
    if isinstance(value, Mapping):
        return {name: as_arrays(part, convert) for name, part in value.items()}
    if isinstance(value, list | tuple) and not _holds_scalars(value):
        return tuple(as_arrays(part, convert) for part in value)
    if value is None:
        raise TypeError(
            "Each output of a list must have targets. Received: None for one. Pass a "
            "dict of the others by name."
        )
    return convert(value)


def packed(data: Any, convert: Convert) -> Any:
    """A batch or arrays as `fit` passes them on: `(x, y[, sample_weight])`, or x."""
    if isinstance(data, tuple | list) and 2 <= len(data) <= 3:
        data = tuple(data)
    elif not (isinstance(data, tuple) and len(data) == 1):
        data = (data,)
    if len(data) > 1 and data[1] is None:
        data = data[:1]
    return repacked(*(None if p is None else as_arrays(p, convert) for p in data))


def unpacked(batch: Any) -> tuple[Any, Any, Any]:
    """x, y and sample_weight of a batch or its spec; `None` for what it lacks."""
    parts = tuple(batch) if isinstance(batch, list | tuple) else (batch,)
    if len(parts) > 3:
        raise ValueError(
            "A batch must be x, (x, y) or (x, y, sample_weight). Received: "
            f"{len(parts)} parts."
        )
    x, y, sample_weight = (*parts, None, None)[:3]
    return x, y, sample_weight


def repacked(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """A batch of what there is, as `fit` passes it on."""
    if y is None:
        return (x,) if isinstance(x, list | tuple) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def checked(
    name: str, data: Any, convert: Convert, kinds: tuple[type, ...] = ()
) -> Any:
    """The arrays that a user passed as an argument of this name, packed.

    `kinds` are kinds of rows that have no length.
    """
    forms = _FORMS + (_FUNCTION if name == "dataset" else "")
    has_rows = hasattr(data, "__len__") or isinstance(data, kinds)
    if isinstance(data, _SCALARS) or not has_rows:
        raise TypeError(f"`{name}` must be {forms}. Received: {type(data).__name__}.")
    try:
        arrays = packed(data, convert)
    except TypeError as error:
        raise TypeError(f"`{name}` must be {forms}. {error}") from error
    sizes = {int(array.shape[0]) for array in leaves(arrays) if array is not None}
    if len(sizes) != 1 or sizes == {0}:
        raise ValueError(
            f"The arrays of `{name}` must be of one length, at least 1. "
            f"Received: lengths {sorted(sizes)}."
        )
    return arrays


def size(arrays: Any) -> int:
    """The number of rows."""
    return int(next(leaves(arrays)).shape[0])


def array_of(value: Any, is_known: Callable[[Any], bool], advice: str) -> Any:
    """A NumPy array of plain rows.

    Args:
        value: What has rows.
        is_known: Whether a framework has the dtype of an array.
        advice: What to do with rows of several lengths.
    """
    if hasattr(value, "to_numpy"):  # pandas: as Keras does, a series is a column
        value = value.to_numpy()
        value = value[:, None] if value.ndim == 1 else value
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TypeError(
            "Data must have one row for each example, of one shape. Received: "
            f"{in_short(value)} whose rows have several lengths. {advice}"
        ) from error
    if array.ndim == 0 or not is_known(array):
        raise TypeError(
            "Data must be arrays of numbers or strings with one row for each example. "
            f"Received: {in_short(value)}."
        )
    # As Keras does: its layers compute in float32.
    return array.astype(np.float32) if array.dtype == np.float64 else array


def contents(arrays: Any) -> str:
    """A hash of all rows of arrays of numbers."""
    digest = hashlib.sha256()
    for array in leaves(arrays):
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()[:16]


def in_short(value: Any) -> str:
    """What a refused value is, never its contents."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if dtype is not None and shape is not None:
        return f"an array of shape {tuple(shape)} and dtype {dtype}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)} parts"
    return type(value).__name__


def _holds_scalars(value: Any) -> bool:
    """Whether nested lists hold plain numbers or strings: rows of one array."""
    while isinstance(value, list | tuple) and value:
        value = value[0]
    return isinstance(value, _SCALARS) or getattr(value, "shape", None) == ()
