"""The bytes of a safetensors file: its header's length, its header in JSON, its arrays.

The header says where the bytes of each array are, and holds two texts of tf_lottery:
the content of the file, and a digest of the header itself. The `safetensors` library is
not used for reading: it maps a file into memory, and if the file is cut short then, the
process ends; and it accepts headers that need a gigabyte.

Reference: https://github.com/huggingface/safetensors#format
"""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any, BinaryIO

# Reading JSON takes up to thirty times its length in memory.
LONGEST = 2**24
ALIGNMENT = 8  # of the first array, and so of all
LENGTH = 8  # bytes, before the header
_METADATA = "__metadata__"
_CONTENT, _DIGEST = "tf_lottery", "sha256"
_NO_DIGEST = "0" * 64

Spans = dict[str, tuple[int, int]]


def written(tensors: Mapping[str, Any], content: Mapping[str, Any]) -> bytes:
    """A header of `content`, plain values.

    `tensors` has type, shape and offsets of each array, in the order of the file.
    """
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    # The digest comes first: only its own zeros can be replaced by it.
    metadata = {_DIGEST: _NO_DIGEST, _CONTENT: text}
    header = {_METADATA: metadata, **tensors}
    blank = json.dumps(header, separators=(",", ":")).encode()
    blank += b" " * (-len(blank) % ALIGNMENT)
    if len(blank) > LONGEST:
        raise ValueError(
            f"The header of a file must have at most {LONGEST:,} bytes. Received: "
            f"{len(tensors):,} arrays and {len(text):,} bytes of other values."
        )
    return blank.replace(_NO_DIGEST.encode(), _digest(blank), 1)


def write(file: BinaryIO, header: bytes, length: int) -> None:
    """Writes a header into the first `length` bytes, which were left for it."""
    file.seek(0)
    file.write(length.to_bytes(LENGTH, "little"))
    file.write(header.ljust(length))


def read(file: BinaryIO) -> tuple[dict[str, Any], Spans, str]:
    """The content of a file, where the bytes of its arrays are, and the digest of both.

    Raises:
        ValueError, TypeError, LookupError, AttributeError: The file is damaged, or is
            not of tf_lottery. Nothing larger than the file was allocated.
    """
    size = os.fstat(file.fileno()).st_size
    start = file.read(LENGTH)
    length = int.from_bytes(start, "little")
    if len(start) < LENGTH or length > min(size - LENGTH, LONGEST):
        raise ValueError("it does not begin with the length of its header")
    text = file.read(length)
    header = json.loads(text)
    metadata = header.pop(_METADATA)
    digest = metadata[_DIGEST].encode()
    if _digest(text.replace(digest, _NO_DIGEST.encode(), 1).rstrip()) != digest:
        raise ValueError("the checksum of its header differs")
    content = json.loads(metadata[_CONTENT])
    spans = _spans(header, LENGTH + length, size)
    return dict(content.items()), spans, digest.decode()


def _digest(header: bytes) -> bytes:
    return hashlib.sha256(header.rstrip()).hexdigest().encode()


def _spans(tensors: Mapping[str, Any], start: int, size: int) -> Spans:
    """Where arrays begin and end in the file; they must fill it without a gap."""
    spans, end = {}, start
    for name, tensor in tensors.items():
        first, last = tensor["data_offsets"]
        if start + first != end or not end <= start + last <= size:
            raise ValueError(f"the bytes of {name!r} are not where they must be")
        spans[name] = end, end = end, start + last
    if end != size:
        raise ValueError(f"it has {size} bytes, and its arrays end at {end}")
    return spans
