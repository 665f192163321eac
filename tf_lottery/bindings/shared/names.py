"""The names of inputs and outputs in data that are dicts."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


def check_names(
    part: Any, names: Iterable[str], what: str, of: str, needed: bool = False
) -> None:
    """Raises if a dict has keys that mean nothing; where needed, if it lacks some."""
    if not isinstance(part, Mapping):
        return
    names = list(names)
    missing = [name for name in names if name not in part]
    unknown = [key for key in part if key not in names]
    if not (missing if needed else unknown):
        return
    close = [
        f"{key!r} for {match[0]!r}"
        for key in unknown
        if (match := difflib.get_close_matches(str(key), missing or names, 1))
    ]
    raise ValueError(
        f"{what} must be named like the model's {of}: {', '.join(map(repr, names))}. "
        f"Received: {', '.join(map(repr, part))}."
        + (f" Did you write {', '.join(close)}?" if close else " Rename them.")
    )
