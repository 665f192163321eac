"""Files that hold their own digest: JSON records, and archives of arrays.

The digest of an archive is made of its header, which has a checksum of each array:
no array has to be read. What reads raises a `TicketError` if a file is missing or
damaged.
"""

import hashlib
import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_lottery.core import archive
from tf_lottery.core.errors import TicketError
from tf_lottery.core.fields import Kind

_LARGEST = 2**28  # bytes of a record


def write_record(path: Path, values: Mapping[str, Any]) -> None:
    """Writes plain values with their digest."""
    plain = _plain(values)
    archive.write_json(path, {**plain, "digest": digest(plain)})


def read_record(path: Path, kind: Kind) -> dict[str, Any]:
    """The values that `write_record` wrote; `kind` checks them."""
    try:
        values = json.loads(text_of(path), parse_constant=_refuse)
        if not isinstance(values, dict):
            raise ValueError("it must hold an object")
        found = values.pop("digest", None)
        kind("it", values)
    except FileNotFoundError as error:
        raise missing(path) from error
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path, error) from error
    if found != digest(values):
        raise TicketError(
            f"{path} was changed after the search wrote it: its digest differs. Put "
            "back the file that the search wrote."
        )
    return values


def open_archive(path: Path, kind: Kind, keep: object = None) -> archive.Archive:
    """The archive at a path, after a check of its header."""
    try:
        opened = archive.Archive(path, keep)
        kind("its header", opened.header)
    except FileNotFoundError as error:
        raise missing(path) from error
    except TicketError:
        raise
    except ValueError as error:
        raise damaged(path, error) from error
    return opened


def missing(path: Path) -> TicketError:
    """The error of a file that is not there."""
    return TicketError(f"{path} is missing.")


def damaged(path: Path, error: Exception) -> TicketError:
    """The error of a file that does not hold what it must."""
    said = str(error).rstrip(".")
    return TicketError(
        f"{path} is damaged, or of another version of tf_lottery: {said}."
    )


def digest(values: Any) -> str:
    """A hash over plain values; the order of their keys counts."""
    return hashlib.sha256(json.dumps(_plain(values)).encode()).hexdigest()


def digest_of_sorted(values: Any) -> str:
    """A hash over values in which the order of keys does not count."""
    text = json.dumps(values, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of(opened: archive.Archive) -> str:
    """A hash over the header and the arrays of an archive."""
    return digest([opened.header, digest_of_arrays(opened)])


def digest_of_arrays(opened: archive.Archive) -> str:
    """A hash over the arrays of an archive."""
    return digest(opened.entries)


def text_of(path: Path) -> str:
    """The text of a regular file that is not larger than a record can be."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it must be a regular file")
    if found.st_size > _LARGEST:
        raise ValueError(f"it must have at most {_LARGEST:,} bytes")
    return path.read_text(encoding="utf-8")


def _plain(values: Any) -> Any:
    """The values as JSON gives them back."""
    text = json.dumps(values, default=lambda value: value.item())
    return json.loads(text, parse_constant=lambda name: None)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")
