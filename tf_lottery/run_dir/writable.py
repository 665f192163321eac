"""Directories that a search writes to, checked before anything is trained."""

import os
from pathlib import Path

from tf_lottery.core import archive


def make_directory(argument: str, path: archive.PathLike) -> None:
    """Makes a directory, and checks that files can be written to it.

    Args:
        argument: The name of the argument that is the path.
        path: The directory.

    Raises:
        ValueError: It cannot be made or written.
    """
    try:
        os.makedirs(path, exist_ok=True)
        probe = Path(path) / ".writable"
        with archive.atomic(probe):
            pass
        probe.unlink(missing_ok=True)  # another process may check, too
    except OSError as error:
        raise ValueError(
            f"`{argument}` must be a directory that can be written. Received: "
            f"{os.fspath(path)!r} ({error.strerror})."
        ) from error
