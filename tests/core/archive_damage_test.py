"""A damaged or foreign file is an error, and never other values."""

import json
import os
import pickle
import zipfile

import numpy as np
import pytest

from tests.core.files import forge, parts, with_digest, with_entry, write
from tf_lottery.core.archive import FORMAT, Archive, save
from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks


def read(path):
    """Header and bytes of a file, all of them."""
    archive = Archive(path)
    arrays = {name: (a.dtype, a.shape, a.tobytes()) for name, a in archive.items()}
    return json.dumps(archive.header), list(archive), arrays


SMALL = {
    "state": {"k": np.float32([[0, 1.5, 0]]), "b": np.float32([0.5]), "n": np.array(3)}
}


@pytest.fixture
def small(path):
    save(path, SMALL, {"step": 3}, Masks({"k": [[False, True, False]]}))
    return path


def test_a_file_cut_short_anywhere_is_an_error(small):
    whole = small.read_bytes()
    for length in range(len(whole)):
        small.write_bytes(whole[:length])
        with pytest.raises(TicketError):
            read(small)


def test_bytes_after_the_end_are_an_error(small):
    small.write_bytes(small.read_bytes() + b"\0")
    with pytest.raises(TicketError, match="its arrays end at"):
        Archive(small)


@pytest.mark.parametrize("flip", [*(f"bit {n}" for n in range(8)), "all bits"])
def test_a_changed_byte_anywhere_is_an_error_or_changes_no_value(small, flip):
    whole, expected = small.read_bytes(), read(small)
    change = 0xFF if flip == "all bits" else 1 << int(flip[-1])
    wrong = {}
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= change
        small.write_bytes(damaged)
        try:
            if read(small) != expected:
                wrong[position] = "silently other values"
        except TicketError:
            pass
        except Exception as error:
            wrong[position] = f"{type(error).__name__}: {error}"
    assert not wrong


def test_a_changed_byte_of_a_header_is_an_error_when_the_file_is_opened(small):
    whole = small.read_bytes()
    text = whole[: whole.rindex(b"}") + 1]
    for position in range(len(text)):
        damaged = bytearray(whole)
        damaged[position] ^= 1
        small.write_bytes(damaged)
        with pytest.raises(TicketError):
            Archive(small)


BIAS = np.float32([0.5, -1.5, np.nan]).tobytes()


@pytest.mark.parametrize(
    "stored",
    [b"", b"not an array", np.float32([0.5, -1.5, 0.25]).tobytes(), BIAS[:8], BIAS * 2],
    ids=["empty", "text", "values", "shorter", "longer"],
)
def test_an_array_replaced_by_another_is_an_error_that_names_it(saved, stored):
    forge(saved, data={"state/bias": stored})
    with pytest.raises(TicketError, match=r"damaged.*'state/bias'"):
        Archive(saved)["state/bias"]


def test_an_array_that_is_not_there_is_an_error_that_names_it(saved):
    forge(saved, data={"state/bias": None})
    with pytest.raises(TicketError, match=r"damaged.*'state/bias'"):
        Archive(saved)["state/bias"]


def test_damage_in_one_array_leaves_the_others_readable(saved):
    forge(saved, data={"state/bias": b""})
    assert Archive(saved)["state/optimizer:iterations"] == 7


class Payload:
    def __reduce__(self):
        return os.putenv, ("PICKLE_RAN", "yes")


def test_a_pickle_is_never_run(saved, monkeypatch):
    ran = []
    monkeypatch.setattr("pickle.load", lambda *_, **__: ran.append(1))
    monkeypatch.setattr("pickle.loads", lambda *_, **__: ran.append(1))
    pickled = pickle.dumps(Payload())
    for name in ("state/bias", "masks/k", "state/k"):
        for dtype in ("object", "O", "void"):
            forge(saved, with_entry(name, 1, dtype), {name: pickled})
            forge(saved, with_digest(name, pickled))
            with pytest.raises(TicketError):
                Archive(saved)[name]
    assert ran == []
    assert "PICKLE_RAN" not in os.environ


@pytest.mark.parametrize(
    "array",
    [
        np.array([{}, {}], object),
        np.array(["a", "bc"]),
        np.array([b"a"]),
        np.array(["2020-01-01"], "M8[D]"),
        np.zeros(2, "f4,i4"),
    ],
    ids=lambda array: array.dtype.kind,
)
def test_what_is_no_number_is_not_written(path, array):
    with pytest.raises(TypeError, match="arrays of numbers"):
        save(path, {"state": {"a": array}}, {})
    assert not path.exists()


@pytest.mark.parametrize("number", [FORMAT + 1, 99])
def test_a_later_format_is_an_error_that_says_to_update(saved, number):
    forge(saved, lambda told: {**told, "format": number, "arrays": "of another kind"})
    with pytest.raises(TicketError, match=f"format {number}.*Update tf_lottery"):
        Archive(saved)


@pytest.mark.parametrize(
    "told",
    [
        lambda told: {**told, "format": "one"},
        lambda told: {**told, "format": None},
        lambda told: {**told, "arrays": None},
        lambda told: {**told, "arrays": []},
        lambda told: {**told, "arrays": {"state/k": None}},
        lambda told: {**told, "arrays": {"state/k": ["dense", "float32", [1]]}},
        lambda told: {k: v for k, v in told.items() if k != "arrays"},
        lambda told: {k: v for k, v in told.items() if k != "format"},
        lambda told: [told],
        lambda told: None,
        lambda told: "header",
        lambda told: 1,
    ],
)
def test_a_header_that_is_not_ours_is_an_error(saved, told):
    forge(saved, told)
    with pytest.raises(TicketError):
        Archive(saved)


@pytest.mark.parametrize(
    "change",
    [
        (0, "new"),
        (0, None),
        (0, {}),
        (1, "float9"),
        (1, "finfo"),
        (1, "float64"),
        (1, "(1000000000,)f4"),
        (1, None),
        (1, 3),
        (1, {"names": ["a"], "formats": ["f4"]}),
        (2, [4, 0]),
        (2, [24.0]),
        (2, [True] * 3),
        (2, [-4, -6]),
        (2, [4, 6, -1]),
        (2, "24"),
        (2, 24),
        (2, None),
        (3, "0" * 64),
        (3, None),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["state/k", "masks/k", "state/bias", "state/slots"])
def test_an_entry_that_does_not_fit_its_array_is_an_error(saved, name, change):
    forge(saved, with_entry(name, *change))
    with pytest.raises(TicketError):
        Archive(saved)[name]


@pytest.mark.parametrize(
    "tensors",
    [
        {"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 5]}},
        {"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 3]}},
        {"a": {"dtype": "U8", "shape": [4], "data_offsets": [1, 4]}},
        {"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, -4]}},
        {"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 2**70]}},
        {"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, "4"]}},
        {"a": {"dtype": "U8", "shape": [4], "data_offsets": [0]}},
        {"a": {"dtype": "U8", "shape": [4]}},
        {"a": None},
        {
            "a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
            "b": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
        },
    ],
    ids=str,
)
def test_arrays_that_overlap_or_leave_the_file_are_an_error(path, tensors):
    told = {"format": FORMAT, "arrays": {}}
    write(path, tensors, json.dumps(told), b"data")
    with pytest.raises(TicketError, match="damaged"):
        Archive(path)


def test_survivors_need_a_mask_in_the_file(saved):
    _, _, arrays = parts(saved)
    for name in ("state/bias", "state/slots", "masks/k"):
        forge(saved, with_entry(name, 0, "survivors"))
        with pytest.raises(TicketError, match=name):
            Archive(saved)[name]
    forge(saved, data={"masks/k": arrays["masks/k"][:1]})
    with pytest.raises(TicketError, match=r"state/k|masks/k"):
        Archive(saved)["state/k"]


def _foreign_zip(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "hello")


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("a,b\n1,2\n"),
        lambda path: path.write_bytes(bytes(range(256)) * 8),
        lambda path: np.savez(path.open("wb"), a=np.zeros(3)),
        lambda path: np.save(path.open("wb"), np.zeros(3)),
        _foreign_zip,
        lambda path: path.mkdir(),
        lambda path: write(path, {}, "null"),
        lambda path: write(path, {}, 3),
        lambda path: path.write_bytes(b"\2\0\0\0\0\0\0\0{}"),
        lambda path: path.write_bytes(b"\4\0\0\0\0\0\0\0null"),
    ],
)
def test_a_foreign_file_is_an_error_that_names_it(path, make):
    make(path)
    with pytest.raises(TicketError, match=r"file\.safetensors"):
        Archive(path)


def test_a_safetensors_file_of_others_is_an_error_that_says_so(path):
    import safetensors.numpy

    safetensors.numpy.save_file({"a": np.zeros(3)}, path)
    with pytest.raises(TicketError, match="not written by tf_lottery"):
        Archive(path)


@pytest.mark.parametrize("write", [_foreign_zip, lambda p: np.savez(p.open("wb"))])
def test_a_zip_file_is_an_error_that_says_what_to_do(path, write):
    write(path)
    with pytest.raises(TicketError, match=r"such as a `.keras` model.*ticket.save"):
        Archive(path)


def test_a_missing_file_is_missing_and_not_damaged(path):
    with pytest.raises(FileNotFoundError):
        Archive(path)


def test_a_file_that_was_replaced_is_an_error_or_reads_as_the_new_one(saved):
    archive = Archive(saved)
    save(saved, {"state": {"bias": np.zeros(3, "f4")}}, {})
    with pytest.raises(TicketError, match="was replaced"):
        archive["state/bias"]
