"""Trainings of other searches: what one run directory holds, no other does again.

Every finished training has a key in its `metrics.json` (see `Identity`), so run
directories below one path find each other's. Files are linked where the file system
can, so what is shared takes no space twice.
"""

import json
import os
import shutil
from pathlib import Path

from tf_lottery.core import io

_FILES = ("outcome.npz", "metrics.json")  # the last one says that it is finished


class Shared:
    """Finds finished trainings below a path.

    Args:
        path: A directory that run directories are in.
    """

    def __init__(self, path: io.PathLike) -> None:
        self._path = Path(path)
        self._keys: dict[Path, str | None] = {}

    def take(self, key: str, directory: Path) -> bool:
        """Puts the training of that key into a directory; False if there is none."""
        found = self._find(key)
        if found is None:
            return False
        directory.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            _link(found / name, directory / name)
        return True

    def _find(self, key: str) -> Path | None:
        for path in sorted(self._path.rglob(_FILES[-1])):
            if path not in self._keys:
                self._keys[path] = _key(path)
        matching = (path for path, other in self._keys.items() if other == key)
        return next((path.parent for path in matching if path.exists()), None)


def _key(path: Path) -> str | None:
    try:
        key: str | None = json.loads(path.read_text()).get("key")
    except (OSError, ValueError, AttributeError):
        return None  # another program's file, or a search that is removed just now
    return key


def _link(source: Path, target: Path) -> None:
    temporary = target.with_name(f"{io.TEMPORARY}{target.name}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, temporary)
    os.replace(temporary, target)
