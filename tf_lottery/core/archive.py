"""Files: named arrays with a header of plain values, each array with its checksum.

A file is in the safetensors format: other programs can read it. Masks are stored as
bits, pruned weights as their survivors, constant arrays as one value. Nothing is
pickled. A file appears whole or not at all, and a damaged file cannot make the reader
allocate more memory than the file's own size justifies.
"""

import contextlib
import errno
import json
import os
import secrets
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from io import BufferedRandom, BufferedReader
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tf_lottery.core import layout
from tf_lottery.core.arrays import Array, Lazy, in_chunks
from tf_lottery.core.encoding import (
    Entry,
    Read,
    Stored,
    decoded,
    packed,
    size_of,
    stored,
    stored_mask,
)
from tf_lottery.core.errors import TicketError
from tf_lottery.core.hashing import Sha256
from tf_lottery.core.masks import Masks
from tf_lottery.core.packed import Packed
from tf_lottery.core.syncing import Syncing

PathLike = str | os.PathLike[str]
Found = TypeVar("Found")

FORMAT = 2
TEMPORARY = ".tf_lottery_"  # how the names of unfinished files begin
# How files of format 1 begin. As the length of a header it would be too long.
_ZIP = b"PK\3\4", b"PK\5\6"
_READ = 2**22  # bytes at a time
_ROOM = 240  # bytes in the header for each array, except for its name
# What JSON, NumPy and our own decoding raise on damaged files.
_DAMAGE = (
    *(LookupError, ValueError, TypeError, AttributeError, ArithmeticError),
    RecursionError,
)


@contextlib.contextmanager
def atomic(path: PathLike) -> Iterator[Path]:
    """A temporary path in the same directory, renamed to `path` if all went well."""
    path = Path(path)
    temporary = path.with_name(TEMPORARY + secrets.token_hex(8))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.open("x").close()
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_directory(path.parent)
    except OSError as error:
        places = (None, *map(str, (temporary, *temporary.parents)))
        if error.errno is None or error.filename not in places:
            raise  # not about this file
        raise OSError(error.errno, _unwritten(path, error)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


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
    *,
    masked: Collection[str] = (),
) -> "Archive":
    """Writes arrays and header, and returns the file, whose arrays load lazily.

    Args:
        path: The file. An existing file is replaced.
        groups: For each group its name and its arrays by path. Where `masks` has a
            mask for a path and the removed weights are zero, only survivors are
            stored. Arrays are read one at a time, when they are written.
        header: Plain values.
        masks: Stored as the group "masks".
        masked: The groups whose removed weights are written as zero, whatever they are.
    """
    masks = masks or Masks({})
    header = _finite({**header, "format": FORMAT})
    listed = {"masks": masks, **groups}.items()
    names = [f"{group}/{name}" for group, arrays in listed for name in arrays]
    room = sum(2 * len(json.dumps(name)) + _ROOM for name in names)
    room += len(layout.written({}, header))
    room += -room % layout.ALIGNMENT
    with atomic(path) as temporary, open(temporary, "rb+") as file:
        text = _write_arrays(file, groups, header, masks, masked, room)
        if len(text) > room:  # shapes of many numbers; now the length is known
            room = len(text)
            text = _write_arrays(file, groups, header, masks, masked, room)
        layout.write(file, text, room)
    return Archive(path)


class Archive(Mapping[str, Array]):
    """A file that `save` wrote: its arrays by name, each read when it is accessed.

    Attributes:
        header: Plain values.
        digest: Of the header and of all arrays.
        entries: How each array is stored, with its checksum, by name.

    Raises:
        TicketError: The file is damaged, or not one of ours.
    """

    def __init__(self, path: PathLike, keep: object = None) -> None:
        self.path = Path(path)
        self._keep = keep  # it must live as long as the file: a temporary directory
        with self._reading() as file:
            if file.peek(4)[:4] in _ZIP:
                raise TicketError(
                    f"{self.path} must be a safetensors file, as tf_lottery writes "
                    "them. Received: a zip file, such as a `.keras` model. The ticket "
                    "is what `ticket.save(path)` or a run directory has."
                )
            self.header, self._spans, self.digest = layout.read(file)
            known = self.header["format"] <= FORMAT
            entries = self.header.pop("arrays").items() if known else ()
            self.entries = {name: Entry(*entry) for name, entry in entries}
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
        paths = self.group("masks")
        return Masks.of_packed({path: self._mask(path) for path in paths})

    def __getitem__(self, name: str) -> Array:
        return self._read(name, decoded)

    def _read(
        self, name: str, decode: Callable[[Read, Entry, Packed | None], Found]
    ) -> Found:
        entry = self.entries[name]
        with self._reading(name) as file:
            start, stop = self._spans[name]
            path = name.partition("/")[2]
            mask = self._mask(path) if entry.encoding == "survivors" else None
            if stop - start != size_of(entry, mask):
                raise ValueError(f"it cannot be stored in {stop - start} bytes")
            file.seek(start)
            sha = Sha256()

            def read(into: Array) -> None:
                for chunk in in_chunks(into, _READ):
                    if file.readinto(chunk.data) != len(chunk):
                        raise ValueError(
                            "it ends too early, or was replaced after it was opened"
                        )
                    sha.update(chunk.data)

            found = decode(read, entry, mask)
            if sha.hexdigest() != entry.sha256:
                raise ValueError(
                    "its checksum differs, or it was replaced while it was read"
                )
            return found

    def _mask(self, path: str) -> Packed:
        name = f"masks/{path}"
        if self.entries[name].encoding != "bits":
            raise TicketError(f"{self.path} is damaged: {name!r} is not a mask.")
        return self._read(name, packed)

    @contextlib.contextmanager
    def _reading(self, name: str = "") -> Iterator[BufferedReader]:
        where = f" in {name!r}" if name else ", or was not written by tf_lottery"
        try:
            # Others, such as pipes and devices, may never end.
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise TicketError(
                    f"{self.path} must be a regular file, such as the "
                    "ticket.safetensors of a run directory, and it is not."
                )
            with open(self.path, "rb") as file:
                yield file
        except TicketError:
            raise
        except FileNotFoundError as error:
            if name:
                raise TicketError(
                    f"{self.path} must exist as long as its ticket is used: arrays are "
                    "read when they are needed. It was moved or removed. Put the "
                    "directory back, or load the ticket from its new place."
                ) from error
            if self.path.is_symlink():
                raise TicketError(f"{self.path} is a link to nothing.") from error
            raise
        except OSError as error:
            raise TicketError(
                f"{self.path} cannot be read: {error.strerror}."
            ) from error
        except MemoryError as error:
            raise TicketError(f"{self.path} does not fit into memory.") from error
        except _DAMAGE as error:
            raise TicketError(f"{self.path} is damaged{where}: {error}.") from error

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


class Group(Lazy):
    """The arrays of an archive under one name, by path, and their `entries`."""

    def __init__(self, archive: Archive, name: str) -> None:
        start = f"{name}/"
        self.entries = {
            each.removeprefix(start): entry
            for each, entry in archive.entries.items()
            if each.startswith(start)
        }
        super().__init__(self.entries, lambda path: archive[start + path])


def _write_arrays(
    file: BufferedRandom,
    groups: Mapping[str, Mapping[str, Array]],
    header: Mapping[str, Any],
    masks: Masks,
    masked: Collection[str],
    room: int,
) -> bytes:
    """Writes arrays after the space for a header; returns that header."""
    begin = layout.LENGTH + room
    file.seek(begin)
    file.truncate()
    entries: dict[str, Entry] = {}
    tensors: dict[str, Any] = {}

    def write(name: str, form: Stored) -> str:
        start, sha = file.tell() - begin, Sha256()
        for chunk in form.chunks:
            stored_bytes = np.ascontiguousarray(chunk).view(np.uint8).data
            sha.update(stored_bytes)
            file.write(stored_bytes)
            syncing.look()
        offsets = [start, file.tell() - begin]
        tensor = {"dtype": form.dtype, "shape": form.shape, "data_offsets": offsets}
        tensors[name] = tensor
        return sha.hexdigest()

    with Syncing(file) as syncing:
        packed_masks = masks.packed
        for path, mask in packed_masks.items():
            digest = write(f"masks/{path}", stored_mask(mask))
            entries[f"masks/{path}"] = Entry("bits", "bool", list(mask.shape), digest)
        for group, arrays in groups.items():
            for path in arrays:  # not `items()`: a lazy mapping then reads one by one
                name, array = f"{group}/{path}", np.asarray(arrays[path])
                form = stored(array, packed_masks.get(path), masked=group in masked)
                if gap := -file.tell() % form.alignment:
                    write(f"gap/{len(tensors)}", stored(np.zeros(gap, np.uint8)))
                digest = write(name, form)
                shape = list(array.shape)
                entries[name] = Entry(form.encoding, array.dtype.name, shape, digest)
                del array, form  # before the next one is asked for
    return layout.written(tensors, {**header, "arrays": entries})


def _sync_directory(path: Path) -> None:
    """Makes the names in a directory survive a crash, where the system can."""
    with contextlib.suppress(OSError):
        directory = os.open(path, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _unwritten(path: Path, error: OSError) -> str:
    advice = "Make it writable, or choose another place"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = "Free some space and call again"
    return (
        f"{path} cannot be written: {error.strerror}. {advice}: finished trainings are "
        "kept."
    )


def _finite(values: Any) -> Any:
    """Values that strict JSON can hold: NaN and infinities become null."""
    if isinstance(values, Mapping):
        return {str(key): _finite(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_finite(value) for value in values]
    if isinstance(values, float | np.floating):
        return float(values) if np.isfinite(values) else None
    return int(values) if isinstance(values, np.integer) else values
