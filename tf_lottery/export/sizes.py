"""How large a file or a directory is, as it is and compressed."""

import gzip
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

from tf_lottery.core.archive import PathLike


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
    raw = sum(file.stat().st_size for file in files(path))
    return Size(raw, size_of(_tar(path)).gz)


def size_of(content: bytes) -> Size:
    """The size of a file with these bytes."""
    return Size(len(content), len(gzip.compress(content, mtime=0)))


def sha256(path: Path) -> str:
    """A hash of a file, or of a directory's names and contents."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    sha = hashlib.sha256()
    for file in files(path):
        sha.update(f"{file.relative_to(path).as_posix()}\0".encode())
        sha.update(hashlib.sha256(file.read_bytes()).digest())
    return sha.hexdigest()


def files(path: Path) -> list[Path]:
    """The file, or all files of a directory in order."""
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file())


def _tar(path: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file in files(path):
            entry = tarfile.TarInfo(file.relative_to(path).as_posix())
            entry.size = file.stat().st_size
            with file.open("rb") as content:
                archive.addfile(entry, content)
    return buffer.getvalue()
