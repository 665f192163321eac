"""Lengths of training: optimizer steps, or epochs of a known number of steps."""

import re
from typing import NamedTuple

Length = int | str
_PATTERN = re.compile(r"(\d{1,18})(it|ep)")


class Lengths(NamedTuple):
    """Lengths of the trainings of a plan, in optimizer steps.

    Attributes:
        per_epoch: Of an epoch.
        last: Of a training from the initialisation: its last step.
        rewind: The step whose state returns after pruning.
    """

    per_epoch: int
    last: int
    rewind: int


def check_length(name: str, length: Length) -> None:
    """Raises unless `length` is a number of steps, "500it" or "2ep"."""
    steps = isinstance(length, int) and not isinstance(length, bool) and length >= 0
    if not steps and not (isinstance(length, str) and _PATTERN.fullmatch(length)):
        raise ValueError(
            f'`{name}` must be a number of steps >= 0, or like "500it" or "2ep". '
            f"Received: {name}={length!r}."
        )


def normalized(length: Length) -> Length:
    """The length in one form: steps as a number, epochs as "2ep".

    Example:
        >>> normalized("500it"), normalized("0ep"), normalized("02ep")
        (500, 0, '2ep')
    """
    if isinstance(length, int):
        return length
    number, unit = int(length[:-2]), length[-2:]
    return f"{number}ep" if number and unit == "ep" else number


def to_steps(length: Length, steps_per_epoch: int) -> int:
    """A length as a number of optimizer steps.

    Example:
        >>> to_steps("2ep", 917), to_steps("500it", 917), to_steps(500, 917)
        (1834, 500, 500)
    """
    if isinstance(length, int):
        return length
    match = _PATTERN.fullmatch(length)
    assert match is not None, length
    return int(match[1]) * (steps_per_epoch if match[2] == "ep" else 1)
