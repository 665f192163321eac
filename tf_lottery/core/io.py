"""Files: named arrays with a JSON header, each array with its checksum.

A file is a zip of `.npy` members that `numpy.load` can open too. Masks are
stored as bits, pruned weights as their survivors, constant arrays as one value.
Nothing is pickled, and a file appears whole or not at all.
"""

import contextlib
import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Mask, Masks

Array = NDArray[Any]
PathLike = str | os.PathLike[str]

FORMAT = 1
TEMPORARY = ".tf_lottery_"  # how the names of unfinished files begin
_HEADER = "header.json"
_CHUNK = 2**20  # values
# What zipfile, JSON, NumPy and our own decoding raise on damaged files.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    IndexError,
    ValueError,
    TypeError,
    AttributeError,
    EOFError,
    OSError,
    RuntimeError,  # and NotImplementedError
)


@contextlib.contextmanager
def atomic(path: PathLike) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when all went well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
    os.close(handle)
    try:
        os.chmod(name, 0o666 & ~_umask())
        yield Path(name)
        with open(name, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(name, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def write_json(path: PathLike, values: Mapping[str, Any]) -> None:
    """Writes `values`, readable and whole. NaN is written as null."""
    with atomic(path) as temporary:
        text = json.dumps(_finite(values), indent=1, allow_nan=False)
        temporary.write_text(text + "\n")


def save(
    path: PathLike,
    groups: Mapping[str, Mapping[str, Array]],
    header: Mapping[str, Any],
    masks: Masks | None = None,
) -> "Archive":
    """Writes arrays and header, and returns the file, whose arrays load lazily.

    Args:
        path: The file, replaced if it is there.
        groups: Arrays by path, by the name of their group. A path that `masks`
            has is stored as its survivors where the rest is zero.
        header: Plain values.
        masks: Stored as the group "masks".
    """
    masks = masks or Masks({})
    entries = {}
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as file:
        for group, arrays in {"masks": masks, **groups}.items():
            for name in arrays:  # not `items()`: a lazy mapping then reads one by one
                entry = _write(file, f"{group}/{name}", arrays[name], masks.get(name))
                entries[f"{group}/{name}"] = entry
        header = {**header, "format": FORMAT, "arrays": entries}
        file.writestr(_HEADER, json.dumps(_finite(header), allow_nan=False))
    return Archive(path)


class Archive(Mapping[str, Array]):
    """A file that `save` wrote: its arrays by name, each read when asked for.

    Args:
        path: The file.
        keep: Kept alive with the file, such as its temporary directory.

    Raises:
        TicketError: The file is damaged, or not one of ours.
    """

    def __init__(self, path: PathLike, keep: object = None) -> None:
        self.path = Path(path)
        self._keep = keep
        with self._reading(), zipfile.ZipFile(self.path) as file:
            self.header: dict[str, Any] = json.loads(file.read(_HEADER))
            self._entries: dict[str, Any] = dict(self.header.pop("arrays").items())
            known = self.header["format"] <= FORMAT
        if not known:
            raise TicketError(
                f"{self.path} has format {self.header['format']}, and this tf_lottery "
                f"reads up to {FORMAT}. Update tf_lottery."
            )

    def group(self, name: str) -> "Group":
        """The arrays whose names start with `name/`, without that prefix."""
        return Group(self, name)

    @property
    def masks(self) -> Masks:
        """The masks of the file."""
        return Masks(self.group("masks"))

    def __getitem__(self, name: str) -> Array:
        entry = self._entries[name]
        with self._reading(name):
            with zipfile.ZipFile(self.path) as file, file.open(f"{name}.npy") as member:
                stored = np.lib.format.read_array(member, allow_pickle=False)
            if _sha256(stored) != entry["sha256"]:
                raise ValueError("its checksum differs")
            return self._decode(name, stored, entry)

    @contextlib.contextmanager
    def _reading(self, name: str = "") -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except _DAMAGE as error:
            where = f" in {name!r}" if name else ", or was not written by tf_lottery"
            raise TicketError(f"{self.path} is damaged{where}: {error}.") from error

    def _decode(self, name: str, stored: Array, entry: Mapping[str, Any]) -> Array:
        shape, dtype = tuple(entry["shape"]), dtype_of(entry["dtype"])
        encoding = entry["encoding"]
        if encoding == "bits":
            size = int(np.prod(shape))
            _check_equal(len(stored), -(-size // 8))
            return np.unpackbits(stored, count=size).reshape(shape).astype(bool)
        stored = stored.view(dtype)
        if encoding == "constant":
            return np.broadcast_to(stored.reshape(()), shape)
        if encoding == "survivors":
            array = np.zeros(shape, dtype)
            array[self[f"masks/{name.partition('/')[2]}"]] = stored
            return array
        _check_equal(encoding, "dense")
        _check_equal(stored.shape, shape)
        return stored

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


class Group(Mapping[str, Array]):
    """The arrays of an archive under one name, by path."""

    def __init__(self, archive: Archive, name: str) -> None:
        self._archive = archive
        self._names = {
            n[len(name) + 1 :]: n for n in archive if n.startswith(f"{name}/")
        }

    def __getitem__(self, path: str) -> Array:
        return self._archive[self._names[path]]

    def __contains__(self, path: object) -> bool:
        return path in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def compact(array: Array) -> Array:
    """The array; if it holds one value only, a read-only view of that value."""
    if array.size < 2 or array.dtype == object:
        return array
    rows = bits(array)
    if (rows[0] != rows[-1]).any() or not (rows == rows[0]).all():
        return array
    return np.broadcast_to(array.reshape(-1)[0].copy(), array.shape)


def bits(array: Array) -> Array:
    """The values as integers, one row each: 0.0 and -0.0 differ, NaNs compare."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(f"u{min(flat.itemsize, 8)}").reshape(array.size, -1)


def _write(
    file: zipfile.ZipFile, name: str, array: Array, mask: Mask | None
) -> dict[str, Any]:
    """Writes an array as a member of the file, and returns its entry."""
    array = np.asarray(array)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    encoding, shape, chunks = _encode(array, mask)
    sha = hashlib.sha256()
    with file.open(f"{name}.npy", "w", force_zip64=True) as member:
        for number, chunk in enumerate(chunks):
            stored = _storable(chunk)
            if number == 0:
                header = {"descr": stored.dtype.str, "fortran_order": False}
                np.lib.format.write_array_header_1_0(member, header | {"shape": shape})
            member.write(stored.view(np.uint8).data)
            sha.update(stored.view(np.uint8).data)
    return {
        "encoding": encoding,
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "sha256": sha.hexdigest(),
    }


def _check_equal(found: object, expected: object) -> None:
    if found != expected:
        raise ValueError(f"{found} where {expected} was expected")


def _encode(
    array: Array, mask: Mask | None
) -> tuple[str, tuple[int, ...], Iterator[Array]]:
    """How an array is stored, the shape of what is, and that in flat chunks."""
    if array.dtype == np.bool_:
        packed = np.packbits(array)
        return "bits", packed.shape, _chunks(packed)
    if array.size > 1 and not any(array.strides):
        return "constant", (1,), iter([array.reshape(-1)[:1]])
    if mask is not None and _is_packable(array, mask):
        pairs = zip(_chunks(array), _chunks(mask), strict=True)
        survivors = (values[kept] for values, kept in pairs)
        return "survivors", (int(np.count_nonzero(mask)),), survivors
    return "dense", array.shape, _chunks(array)


def _chunks(array: Array) -> Iterator[Array]:
    """The values in order, a few at a time, so that no second copy is needed."""
    flat = array.reshape(-1)
    for start in range(0, max(flat.size, 1), _CHUNK):
        yield flat[start : start + _CHUNK]


def _is_packable(array: Array, mask: Mask) -> bool:
    """Whether the survivors say it all, and are fewer."""
    if mask.shape != array.shape or mask.all():
        return False
    pairs = zip(_chunks(array), _chunks(mask), strict=True)
    return not any(np.any(values[~kept]) for values, kept in pairs)


def _storable(array: Array) -> Array:
    """As integers of the same size where the .npy format lacks the type (bfloat16)."""
    array = np.ascontiguousarray(array)
    if array.dtype.kind != "V" and array.dtype.isbuiltin == 1:
        return array
    return array.view(f"u{array.dtype.itemsize}")


def dtype_of(name: str) -> np.dtype[Any]:
    """The type of a name, those of ml_dtypes (bfloat16) included."""
    try:
        return np.dtype(name)
    except TypeError:
        import ml_dtypes  # comes with TensorFlow

        found: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
        return found


def _sha256(array: Array) -> str:
    # The view is flat, as a zero-dimensional array has no bytes to view.
    return hashlib.sha256(array.reshape(-1).view(np.uint8).data).hexdigest()


def _finite(values: Any) -> Any:
    """Values that strict JSON can hold: NaN and infinities become null."""
    if isinstance(values, Mapping):
        return {str(key): _finite(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_finite(value) for value in values]
    if isinstance(values, float | np.floating):
        return float(values) if np.isfinite(values) else None
    return int(values) if isinstance(values, np.integer) else values


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
