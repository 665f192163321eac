"""Exported files and directories: how they get their place, and how large they are.

They appear whole, with their cards, or not at all.
"""

import contextlib
import gzip
import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tf_lottery.core.archive import TEMPORARY, PathLike

_SAVED_MODEL = "saved_model.pb"


@dataclass(frozen=True)
class Size:
    """Bytes of a file, or of all files of a directory.

    Attributes:
        raw: As they are.
        gz: Compressed by gzip; a directory as a tar archive.
    """

    raw: int
    gz: int


def size(path: PathLike) -> Size:
    """The bytes of an exported file or directory.

    Example:
        ```python
        tf_lottery.export.size("ticket.tflite").raw
        ```
    """
    path = Path(path)
    if not path.is_dir():
        return size_of(path.read_bytes())
    raw = sum(file.stat().st_size for file in _files(path))
    return Size(raw, size_of(_tar(path)).gz)


def size_of(content: bytes) -> Size:
    """The size of a file with these bytes."""
    return Size(len(content), len(gzip.compress(content, mtime=0)))


def sha256(path: Path) -> str:
    """A hash of a file, or of a directory's names and contents."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    sha = hashlib.sha256()
    for file in _files(path):
        sha.update(f"{file.relative_to(path).as_posix()}\0".encode())
        sha.update(hashlib.sha256(file.read_bytes()).digest())
    return sha.hexdigest()


def cards_of(path: Path) -> tuple[Path, Path]:
    """Where the card of a file goes, as JSON and as Markdown."""
    json, markdown = (path.with_name(f"{path.name}.card.{e}") for e in ("json", "md"))
    return json, markdown


def check_free(path: Path, overwrite: bool) -> None:
    """Raises if something is there; with `overwrite`, if it is no earlier export."""
    found = [each for each in (path, *cards_of(path)) if os.path.lexists(each)]
    if found and not overwrite:
        raise FileExistsError(
            f"{found[0]} exists. Pass `overwrite=True` (`--overwrite`) to replace it."
        )
    if path.is_dir() and any(path.iterdir()) and not (path / _SAVED_MODEL).exists():
        raise FileExistsError(
            f"{path} is a directory without a SavedModel, and is not replaced. Choose "
            "another path, or remove it yourself."
        )


@contextlib.contextmanager
def placed(path: Path, overwrite: bool) -> Iterator[Path]:
    """Gives a temporary path, and moves what was written to `path` at the end.

    What was written next to the temporary path, such as cards, moves with it. After an
    error nothing moves.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=path.parent) as directory:
        made, replaced = Path(directory, "new"), Path(directory, "old")
        made.mkdir()
        yield made / path.name
        check_free(path, overwrite)
        for part in sorted(made.iterdir()):
            _move(part, path.with_name(part.name), replaced)


def _move(source: Path, target: Path, replaced: Path) -> None:
    """Moves a file or directory over another, which is kept if that fails."""
    directory = source.is_dir() or target.is_dir()
    if not (directory and os.path.lexists(target)):
        os.replace(source, target)
        return
    os.replace(target, replaced)  # a directory cannot be replaced at once
    try:
        os.replace(source, target)
    except BaseException:
        os.replace(replaced, target)
        raise


def _files(path: Path) -> list[Path]:
    """All files of a directory, in order."""
    return sorted(file for file in path.rglob("*") if file.is_file())


def _tar(path: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file in _files(path):
            entry = tarfile.TarInfo(file.relative_to(path).as_posix())
            entry.size = file.stat().st_size
            with file.open("rb") as content:
                archive.addfile(entry, content)
    return buffer.getvalue()
