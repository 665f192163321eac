"""Types of the fields of files, checked once, where a file is read.

A kind is a function of a field's name and value. It raises a `ValueError` that says
which field it is, what it must be and what was received; the caller adds the file.
"""

from collections.abc import Callable, Mapping
from typing import Any

Kind = Callable[[str, Any], None]

_LARGEST = 2**63  # no count, step or seed is larger


def whole(where: str, value: Any) -> None:
    """An integer >= 0; a bool is not one."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole or not 0 <= value <= _LARGEST:
        _fail(where, "must be an integer >= 0", value)


def number(where: str, value: Any) -> None:
    """A finite number."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not -_LARGEST <= value <= _LARGEST:
        _fail(where, "must be a finite number", value)


def boolean(where: str, value: Any) -> None:
    """True or false."""
    if not isinstance(value, bool):
        _fail(where, "must be true or false", value)


def text(where: str, value: Any) -> None:
    """Text of any length."""
    if not isinstance(value, str):
        _fail(where, "must be text", value)


def name(where: str, value: Any) -> None:
    """Text that is not empty and has no control characters."""
    if not isinstance(value, str) or not value or not value.isprintable():
        _fail(where, "must be a name without control characters", value)


def anything(where: str, value: Any) -> None:
    """Any value."""


def mapping(where: str, value: Any) -> None:
    """An object with any values."""
    if not isinstance(value, Mapping):
        _fail(where, "must be an object", value)


def optional(kind: Kind) -> Kind:
    """The kind, or null."""

    def check_optional(where: str, value: Any) -> None:
        if value is not None:
            kind(where, value)

    return check_optional


def either(*kinds: Kind) -> Kind:
    """One of several kinds."""

    def check_either(where: str, value: Any) -> None:
        errors = []
        for kind in kinds:
            try:
                return kind(where, value)
            except ValueError as error:
                errors.append(error)
        raise errors[-1]

    return check_either


def list_of(kind: Kind, length: int | None = None) -> Kind:
    """A list whose items are of a kind."""

    def check_list(where: str, value: Any) -> None:
        if not isinstance(value, list | tuple) or (
            length is not None and len(value) != length
        ):
            of = "" if length is None else f" of {length}"
            _fail(where, f"must be a list{of}", value)
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


def record(kinds: Mapping[str, Kind], more: Mapping[str, Kind] | None = None) -> Kind:
    """An object with these fields, and no others.

    Args:
        kinds: The fields that it must have.
        more: The fields that it may have.
    """
    known = {**kinds, **(more or {})}

    def check_record(where: str, value: Any) -> None:
        mapping(where, value)
        if missing := [key for key in kinds if key not in value]:
            raise ValueError(f"`{where}` lacks {', '.join(map(repr, missing))}")
        if unknown := [key for key in value if key not in known]:
            raise ValueError(
                f"`{where}` has {', '.join(map(_short, unknown))}, which this version "
                "of tf_lottery does not know"
            )
        for key, one in value.items():
            known[key](f"{where}.{key}", one)

    return check_record


def at_least(kinds: Mapping[str, Kind], more: Mapping[str, Kind]) -> Kind:
    """An object like `record`, which may have any other fields, too."""

    def check_at_least(where: str, value: Any) -> None:
        mapping(where, value)
        others = {key: anything for key in value if key not in kinds}
        record(kinds, {**others, **more})(where, value)

    return check_at_least


def _fail(where: str, must: str, value: Any) -> None:
    raise ValueError(f"`{where}` {must}. Received: {_short(value)}")


def _short(value: Any) -> str:
    kind = type(value).__name__
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "an integer beyond 2**63"
    said = repr(value[:40] if isinstance(value, str) else value)
    return said if len(said) <= 60 else f"{said[:57]}... ({kind})"
