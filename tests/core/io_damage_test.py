"""A damaged or foreign file is an error, and never other values."""

import json
import os
import zipfile

import numpy as np
import pytest

from tf_lottery.core import io
from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks


def read(path):
    """Header and bytes of a file, all of them."""
    archive = io.Archive(path)
    arrays = {name: (a.dtype, a.shape, a.tobytes()) for name, a in archive.items()}
    return json.dumps(archive.header), list(archive), arrays


SMALL = {"state": {"k": np.float32([[0, 1.5, 0]]), "b": np.float32([0.5])}}


@pytest.fixture
def small(path):
    io.save(path, SMALL, {"step": 3}, Masks({"k": [[False, True, False]]}))
    return path


def test_a_file_cut_short_anywhere_is_an_error(small):
    whole = small.read_bytes()
    for length in range(len(whole)):
        small.write_bytes(whole[:length])
        with pytest.raises(TicketError):
            read(small)


def _reads_as(path, expected):
    """Nothing if it is damaged or reads as before, else what went wrong."""
    try:
        return None if read(path) == expected else "silently other values"
    except TicketError:
        return None
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("flip", ["one bit", "all bits"])
def test_a_changed_byte_anywhere_is_an_error_or_changes_no_value(small, flip):
    whole, expected = small.read_bytes(), read(small)
    wrong = {}
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8 if flip == "one bit" else 0xFF
        small.write_bytes(damaged)
        if answer := _reads_as(small, expected):
            wrong[position] = answer
    assert not wrong


@pytest.mark.filterwarnings("ignore")
def test_a_changed_bit_in_a_members_head_is_an_error_or_changes_no_value(small):
    # Flags and compression methods lie there, which zipfile has other errors for.
    whole, expected = small.read_bytes(), read(small)
    wrong = {}
    for signature in (b"PK\3\4", b"PK\1\2", b"PK\5\6"):
        head = whole.rindex(signature)
        for position in range(head, min(head + 30, len(whole))):
            for bit in range(8):
                damaged = bytearray(whole)
                damaged[position] ^= 1 << bit
                small.write_bytes(damaged)
                if answer := _reads_as(small, expected):
                    wrong[position - head, bit] = answer
    assert not wrong


def rewrite(path, changes=None, header=None):
    """The file with other members or another header, as a valid zip."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    members |= changes or {}
    if header:
        old = json.loads(members["header.json"])
        members["header.json"] = json.dumps(header(old)).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            if content is not None:
                file.writestr(name, content)


def npy(array, **options):
    from io import BytesIO

    file = BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "member",
    [
        None,
        b"",
        b"not an array",
        npy(np.float32([0.5, -1.5, 0.25])),
        npy(np.float64([0.5, -1.5, np.nan])),
        npy(np.float32([0.5, -1.5])),
        npy(np.array([{"a": 1}], object), allow_pickle=True),
    ],
    ids=["missing", "empty", "text", "values", "dtype", "shape", "pickled"],
)
def test_an_array_replaced_by_another_is_an_error_that_names_it(saved, member):
    rewrite(saved, {"state/bias.npy": member})
    with pytest.raises(TicketError, match=r"damaged.*'state/bias'"):
        io.Archive(saved)["state/bias"]


def test_damage_in_one_array_leaves_the_others_readable(saved):
    rewrite(saved, {"state/bias.npy": b""})
    assert io.Archive(saved)["state/optimizer:iterations"] == 7


class Payload:
    def __reduce__(self):
        return os.putenv, ("PICKLE_RAN", "yes")


def test_a_pickle_is_never_run(saved, monkeypatch):
    ran = []
    monkeypatch.setattr("pickle.load", lambda *_, **__: ran.append(1))
    pickled = npy(np.array([Payload()], object), allow_pickle=True)
    rewrite(saved, dict.fromkeys(("state/bias.npy", "masks/k.npy"), pickled))
    for name in ("state/bias", "masks/k", "state/k"):
        with pytest.raises(TicketError):
            io.Archive(saved)[name]
    assert ran == []


def test_an_object_array_is_not_written(path):
    with pytest.raises((ValueError, TypeError)):
        io.save(path, {"state": {"a": np.array([{}, {}], object)}}, {})
    assert not path.exists()


@pytest.mark.parametrize("number", [io.FORMAT + 1, 99])
def test_a_later_format_is_an_error_that_says_to_update(saved, number):
    rewrite(saved, header=lambda header: {**header, "format": number})
    with pytest.raises(TicketError, match=f"format {number}.*Update tf_lottery"):
        io.Archive(saved)


@pytest.mark.parametrize(
    "header",
    [
        lambda header: {**header, "format": "one"},
        lambda header: {**header, "format": None},
        lambda header: {**header, "arrays": None},
        lambda header: {**header, "arrays": []},
        lambda header: {k: v for k, v in header.items() if k != "arrays"},
        lambda header: {k: v for k, v in header.items() if k != "format"},
        lambda header: [header],
        lambda header: None,
        lambda header: "header",
        lambda header: 1,
    ],
)
def test_a_header_that_is_not_ours_is_an_error(saved, header):
    rewrite(saved, header=header)
    with pytest.raises(TicketError):
        io.Archive(saved)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [7]},
        {"dtype": "float9"},
        {"encoding": "new"},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["state/k", "masks/k", "state/bias"])
def test_an_entry_that_does_not_fit_its_array_is_an_error(saved, name, change):
    def header(old):
        entry = {**old["arrays"][name], **change}
        return {**old, "arrays": {**old["arrays"], name: entry}}

    rewrite(saved, header=header)
    with pytest.raises(TicketError):
        io.Archive(saved)[name]


def _foreign_zip(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "hello")


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("a,b\n1,2\n"),
        lambda path: path.write_bytes(bytes(range(256)) * 8),
        lambda path: np.savez(path, a=np.zeros(3)),
        lambda path: np.save(path.open("wb"), np.zeros(3)),
        _foreign_zip,
        lambda path: path.mkdir(),
    ],
    ids=["empty", "text", "bytes", "npz", "npy", "zip", "directory"],
)
def test_a_foreign_file_is_an_error_that_names_it(path, write):
    write(path)
    with pytest.raises(TicketError, match=r"file\.safetensors"):
        io.Archive(path)


def test_a_missing_file_is_missing_and_not_damaged(path):
    with pytest.raises(FileNotFoundError):
        io.Archive(path)
