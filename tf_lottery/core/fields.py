"""Types of the fields of files, checked once, where a file is read.

A kind is a function of a field's name and value. It raises a `ValueError` that says
which field it is, what it must be and what was received; the caller adds the file.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tf_lottery.core.checks import is_number

Kind = Callable[[str, Any], None]

LARGEST = 2**63  # every count, step and seed is smaller


def _kind(must: str, holds: Callable[[Any], bool]) -> Kind:
    def check(where: str, value: Any) -> None:
        if not holds(value):
            raise ValueError(f"`{where}` {must}. Received: {_short(value)}")

    return check


whole = _kind(
    "must be an integer >= 0",
    lambda v: is_number(v) and isinstance(v, int) and 0 <= v < LARGEST,
)
number = _kind(
    "must be a finite number", lambda v: is_number(v) and -LARGEST <= v <= LARGEST
)
boolean = _kind("must be true or false", lambda v: isinstance(v, bool))
text = _kind("must be text", lambda v: isinstance(v, str))
name = _kind(
    "must be a name without control characters",
    lambda v: isinstance(v, str) and v != "" and v.isprintable(),
)
mapping = _kind("must be an object", lambda v: isinstance(v, Mapping))
_list = _kind("must be a list", lambda v: isinstance(v, list | tuple))


def anything(where: str, value: Any) -> None:
    """Any value."""


def optional(kind: Kind) -> Kind:
    """The kind, or null."""
    return lambda where, value: None if value is None else kind(where, value)


def either(first: Kind, second: Kind) -> Kind:
    """One of two kinds; the error is that of the second one."""

    def check_either(where: str, value: Any) -> None:
        try:
            first(where, value)
        except ValueError:
            second(where, value)

    return check_either


def list_of(kind: Kind, length: int | None = None) -> Kind:
    """A list whose items are of a kind."""

    def check_list(where: str, value: Any) -> None:
        _list(where, value)
        if length is not None and len(value) != length:
            raise ValueError(
                f"`{where}` must be a list of {length}. Received: {_short(value)}"
            )
        for index, each in enumerate(value):
            kind(f"{where}[{index}]", each)

    return check_list


def each(kind: Kind) -> Kind:
    """An object whose values are of a kind."""

    def check_each(where: str, value: Any) -> None:
        mapping(where, value)
        for key, one in value.items():
            kind(f"{where}.{_short(key)}", one)

    return check_each


def record(
    kinds: Mapping[str, Kind],
    more: Mapping[str, Kind] | None = None,
    others: Kind | None = None,
) -> Kind:
    """An object with these fields.

    Args:
        kinds: The fields that it must have.
        more: The fields that it may have.
        others: The kind of all other fields; None: it may not have others.
    """
    known = {**kinds, **(more or {})}

    def check_record(where: str, value: Any) -> None:
        mapping(where, value)
        if missing := [key for key in kinds if key not in value]:
            raise ValueError(f"`{where}` lacks {', '.join(map(repr, missing))}")
        unknown = [key for key in value if key not in known]
        if unknown and not others:
            raise ValueError(
                f"`{where}` has {', '.join(map(_short, unknown))}, which this version "
                "of tf_lottery does not know"
            )
        for key, one in value.items():
            known.get(key, others or anything)(f"{where}.{key}", one)

    return check_record


def _short(value: Any) -> str:
    kind = type(value).__name__
    if isinstance(value, int) and abs(value) > LARGEST:
        return "an integer beyond 2**63"
    said = repr(value[:40] if isinstance(value, str) else value)
    return said if len(said) <= 60 else f"{said[:57]}... ({kind})"
