"""Warnings that point at the user's line, however deep they arise."""

import sys
import warnings


def warn(message: str) -> None:
    """Warns as of the first caller outside this package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals["__name__"].startswith("tf_lottery."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)
