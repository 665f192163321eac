"""Checks of arguments: what must hold, what was received, what to do."""

from typing import TypeGuard

import numpy as np


def check_count(name: str, value: object) -> None:
    """Raises unless the value is an integer of at least 1."""
    if not is_count(value):
        raise ValueError(
            f"`{name}` must be an integer >= 1. Received: {name}={value!r}."
        )


def check_choice(name: str, value: object, choices: tuple[str | None, ...]) -> None:
    """Raises unless the value is one of the choices."""
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {', '.join(map(repr, choices))}. "
            f"Received: {name}={value!r}."
        )


def check_fraction(name: str, value: object) -> None:
    """Raises unless the value is above 0 and below 1."""
    if not is_rate(value) or value == 0:
        hint = ""
        if is_number(value) and 1 < value < 100:
            hint = f" For {value} percent, write {value / 100}."
        raise ValueError(
            f"`{name}` must be a fraction in (0, 1). Received: {name}={value!r}.{hint}"
        )


def is_count(value: object) -> bool:
    """Whether a value is an integer of at least 1, of Python or NumPy."""
    is_bool = isinstance(value, bool)
    return isinstance(value, int | np.integer) and not is_bool and int(value) >= 1


def is_rate(value: object) -> bool:
    """Whether a value is a number from 0 to below 1."""
    return is_number(value) and 0 <= value < 1


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a number, and not a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool)
