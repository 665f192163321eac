"""Metadata of the fields of a plan: help text, choices, and type in files."""

from collections.abc import Iterable
from typing import Any

from tf_lottery.core import fields

_ROUNDS = fields.list_of(fields.whole)
# Types in a file; `Plan` itself checks the values.
KINDS = {
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


def about(kind: str, text: str, choices: Iterable[str] = ()) -> dict[str, Any]:
    """The metadata of a field of `Plan`.

    Args:
        kind: Its type in a file, a key of `KINDS`.
        text: The help text of its flag.
        choices: All values that it can have; empty if there are others.
    """
    return {"kind": KINDS[kind], "help": text, "choices": tuple(choices)}
