"""The fields of a plan: default, type in files and choices of each."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from tf_lottery.core import fields

_ROUNDS = fields.list_of(fields.whole)
# Types in a file; `Plan` itself checks the values.
_KINDS = {
    "whole": fields.whole,
    "count": fields.optional(fields.whole),
    "number": fields.number,
    "rates": fields.each(fields.number),
    "name": fields.name,
    "score": fields.optional(fields.name),
    "pair": fields.list_of(fields.whole, 2),
    "length": fields.either(fields.whole, fields.name),
    "names": fields.list_of(fields.name),
    "rounds": fields.optional(fields.either(_ROUNDS, fields.each(_ROUNDS))),
}


def plan_field(default: Any, kind: str, choices: Iterable[str] = ()) -> Any:
    """A field of `Plan`.

    Args:
        default: Its default value, or a function that makes it.
        kind: Its type in a file, a key of `_KINDS`.
        choices: All values that it can have; empty if there are others.
    """
    about = {"kind": _KINDS[kind], "choices": tuple(choices)}
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=about)
    return dataclasses.field(default=default, metadata=about)
