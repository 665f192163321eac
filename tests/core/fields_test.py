"""Fields of files are checked once, by type; text of files is safe to print."""

import dataclasses
import math

import pytest

from tests.fakes import outcome
from tf_lottery.core import fields
from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks
from tf_lottery.core.ticket import FoundTicket, Ticket
from tf_lottery.core.words import printable

KIND = fields.record(
    {"count": fields.whole, "rate": fields.optional(fields.number)},
    {"names": fields.list_of(fields.name)},
)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "`it` must be an object"),
        ({"rate": 1}, "`it` lacks 'count'"),
        ({"count": 1, "rate": 1, "x": 1}, "`it` has 'x', which this version"),
        ({"count": True, "rate": 1}, "`it.count` must be an integer >= 0"),
        ({"count": -1, "rate": 1}, "`it.count` must be an integer >= 0"),
        ({"count": 10**30, "rate": 1}, "`it.count` must be .* beyond 2"),
        ({"count": 1, "rate": math.inf}, "`it.rate` must be a finite number"),
        ({"count": 1, "rate": math.nan}, "`it.rate` must be a finite number"),
        ({"count": 1, "rate": "1"}, "`it.rate` must be a finite number"),
        ({"count": 1, "rate": 1, "names": "ab"}, "`it.names` must be a list"),
        (
            {"count": 1, "rate": 1, "names": ["a\x1b"]},
            r"`it.names\[0\]` must be a name",
        ),
    ],
)
def test_a_wrong_field_is_named(value, said):
    with pytest.raises(ValueError, match=said):
        KIND("it", value)


def test_right_fields_pass():
    KIND("it", {"count": 2**62, "rate": None, "names": ["a", "b"]})


def test_text_of_a_file_cannot_steer_a_terminal():
    evil = "won\x1b[2J\x9b31m\r\u202e"
    assert printable(f"{evil}\n").isascii()
    ticket = Ticket(Masks({f"k{evil}": [True]}), {})
    found = dataclasses.replace(FoundTicket.of(ticket, outcome({})), reason=evil)
    said = found.summary()
    assert said.replace("\n", "").isprintable()
    assert str(TicketError(evil)).isprintable()
