"""Warnings that point at the user's line, however deep they arise."""

import sys
import warnings

_INNER = ("tf_lottery.", "tf_keras.")


def warn(message: str) -> None:
    """Warns as of the first caller outside this package and Keras."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(_INNER):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)
