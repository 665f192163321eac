"""No file, whatever it says, takes more than two seconds or 500 MB to refuse or check.

Each of these is a few bytes to some megabytes on disk, and was made to be large in
memory, to loop, or never to end.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.core.files import forge, write
from tf_lottery.core import archive, layout
from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import Outcome
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import FoundTicket, Ticket

LARGE = [30_000, 100_000]
ABSURD = [10**9, 10**9]

CHECK = """
import resource, sys, time
from tf_lottery.core.errors import TicketError
from tf_lottery.core.ticket import Ticket

def used():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

before, started, answer = used(), time.process_time(), "fine"
try:
    ticket = Ticket.load(sys.argv[1])
    ticket.verify()
    print(ticket.summary(), repr(ticket))
except (TicketError, FileNotFoundError) as error:
    answer = type(error).__name__
    print(str(error)[:2000])
print(answer, time.process_time() - started, used() - before)
"""


def answer(path):
    """What loading and checking a ticket says, in a process that is measured."""
    run = subprocess.run(
        [sys.executable, "-c", CHECK, str(path)],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr
    found, seconds, megabytes = run.stdout.splitlines()[-1].split()
    assert float(seconds) < 2
    assert float(megabytes) < 500
    return found


@pytest.fixture
def saved(path):
    """A ticket with masks of a matrix, a bias and constant slots."""
    masks = Masks({"k": np.arange(24).reshape(4, 6) % 3 == 0})
    weights = {"k": np.where(masks["k"], np.float32(1.5), np.float32(0))}
    weights["bias"] = np.broadcast_to(np.float32(0.25), (6,))
    state = weights | {"optimizer:m/k": np.broadcast_to(np.float32(0), (4, 6))}
    outcome = Outcome(weights, weights, 1, 1, {}, {})
    FoundTicket.of(Ticket(masks, state), outcome).save(path)
    return path


def entries(**changes):
    """A function for `forge`: other entries of some arrays."""

    def told(content):
        arrays = dict(content["arrays"])
        for name, values in changes.items():
            name = name.replace("__", "/")
            arrays[name] = [
                new if new is not None else old
                for new, old in zip(values, arrays[name], strict=True)
            ]
        return {**content, "arrays": arrays}

    return told


CLAIMS = {
    "a constant mask": {"masks__k": ["constant", None, LARGE, None]},
    "a mask of survivors": {"masks__k": ["survivors", None, LARGE, None]},
    "a mask without its bits": {"masks__k": [None, None, LARGE, None]},
    "a mask of an absurd shape": {"masks__k": [None, None, ABSURD, None]},
    "a mask of nothing": {"masks__k": [None, None, [0, 10**30], None]},
    "survivors of a large array": {"state__k": [None, None, LARGE, None]},
    "a dense array of an absurd shape": {"state__bias": ["dense", None, ABSURD, None]},
    "a shape of huge numbers": {"state__bias": [None, None, [10**4000] * 30, None]},
    "a shape of many numbers": {"state__bias": [None, None, [10**3] * 10**5, None]},
    "an empty shape of huge numbers": {"state__bias": [None, None, [0, 10**99], None]},
    "a constant weight of another shape": {"state__k": ["constant", None, LARGE, None]},
    "a constant of an absurd shape": {"state__bias": [None, None, [2**40] * 4, None]},
    "a type of huge items": {"state__bias": [None, f"void{2**40}", None, None]},
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_size_that_is_not_in_the_file_is_an_error(saved, claim):
    forge(saved, entries(**CLAIMS[claim]))
    assert answer(saved) == "TicketError"


@pytest.mark.parametrize("shape", [LARGE, ABSURD], ids=str)
def test_a_large_constant_is_checked_without_being_made(saved, shape):
    names = ("state__bias", "best__bias", "final__bias", "state__optimizer:m/k")
    forge(saved, entries(**{name: [None, None, shape, None] for name in names}))
    assert answer(saved) == "fine"


def nested(path, text):
    write(path, {}, text)


def many_arrays(count):
    entry = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
    return {f"{number}": entry for number in range(count)}


HALF = layout.LONGEST // 2
HEADERS = {
    "lists": lambda path: write(path, {}, f"[{'[],' * (HALF // 3)}[]]"),
    "dictionaries": lambda path: write(path, {}, f"[{'{},' * (HALF // 3)}{{}}]"),
    "numbers": lambda path: write(path, {}, f"[{'1.5,' * (HALF // 4)}1]"),
    "deep lists": lambda path: write(path, {}, "[" * HALF),
    "many arrays": lambda path: write(path, many_arrays(200_000), "{}"),
    "more than a header's length": lambda path: write(path, {}, " " * (2 * HALF)),
    "a length beyond the file": lambda path: path.write_bytes(b"\0\0\0\0\0\0\0\1{}"),
    "a length of all bits": lambda path: path.write_bytes(b"\xff" * 8 + b"{}"),
}


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_that_is_large_or_deep_is_an_error(path, header):
    HEADERS[header](path)
    assert answer(path) == "TicketError"


def test_a_header_as_long_as_it_may_be_is_read(path):
    filler = "x" * (layout.LONGEST - 1_000)
    header = {"format": archive.FORMAT, "arrays": {}, "text": filler}
    write(path, {}, json.dumps(header))
    assert archive.Archive(path).header["text"] == filler


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        os.mkdir,
        lambda path: os.symlink("/dev/zero", path),
        lambda path: os.symlink("/dev/stdin", path),
        lambda path: os.symlink(path, path),
        lambda path: os.symlink(f"{path}_gone", path),
    ],
    ids=[
        "pipe",
        "directory",
        "endless device",
        "terminal",
        "link to itself",
        "link to nothing",
    ],
)
def test_only_regular_files_are_opened(path, make):
    make(path)
    assert answer(path) == "TicketError"


@pytest.mark.parametrize("number", [10**9, 2**62])
def test_a_ticket_of_an_absurd_round_is_an_error_at_once(saved, number):
    plan = Plan(rounds=number).to_json()
    forge(saved, lambda told: {**told, "round": number, "plan": plan})
    assert answer(saved) == "TicketError"
