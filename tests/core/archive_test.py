"""Files give back what was written, read only what is asked for."""

import gc
import os
import subprocess
import sys
import time
import weakref

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tests.core.files import GROUPS, MASKS, forge, parts, span
from tf_lottery.core import layout
from tf_lottery.core.archive import FORMAT, Archive, save
from tf_lottery.core.arrays import compact
from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks

in_one_directory = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def is_same(one, other):
    """Equal in type, shape and every bit."""
    kind = (one.dtype, one.shape) == (other.dtype, other.shape)
    return kind and one.tobytes() == other.tobytes()


# What comes back.

dtypes = st.sampled_from(
    [bool, "f2", "f4", "f8", "i1", "i4", "i8", "u1", "u4", "c8", ml_dtypes.bfloat16]
)
shapes = npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


@st.composite
def any_array(draw):
    dtype, shape = np.dtype(draw(dtypes)), draw(shapes)
    size = int(np.prod(shape)) * dtype.itemsize
    if dtype.kind == "b":
        return draw(npst.arrays(bool, shape))
    # Any bits at all: NaN, infinity, negative zero, subnormal numbers.
    array = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), dtype)
    array = array.reshape(shape)
    form = draw(st.sampled_from(["plain", "fortran", "reversed", "constant"]))
    if form == "fortran":
        return np.asfortranarray(array) if array.ndim else array
    if form == "constant" and array.size:
        return np.broadcast_to(array.flat[0], shape)
    return array[::-1] if form == "reversed" and array.ndim else array


@given(any_array())
@in_one_directory
def test_an_array_comes_back_bit_by_bit(path, array):
    archive = save(path, {"state": {"a/b:c": array}}, {})
    assert is_same(archive["state/a/b:c"], array)


@given(npst.arrays("f4", (3, 4)), npst.arrays(bool, (3, 4)))
@in_one_directory
def test_survivors_come_back_bit_by_bit_and_the_rest_as_it_was(path, array, mask):
    for weights in (array, np.where(mask, array, np.float32(0))):
        archive = save(path, {"state": {"k": weights}}, {}, Masks({"k": mask}))
        found = archive["state/k"]
        assert is_same(found[mask], weights[mask])
        assert np.array_equal(found, weights, equal_nan=True)


@given(st.dictionaries(st.text(min_size=1, max_size=5), npst.arrays(bool, shapes)))
@in_one_directory
def test_masks_come_back_in_their_order(path, arrays):
    masks = Masks(arrays)
    found = save(path, {}, {}, masks).masks
    assert found == masks
    assert list(found) == list(masks)


@pytest.mark.parametrize("dtype", [">f4", ">i8", ">f8"])
def test_numbers_of_another_byte_order_keep_their_value(path, dtype):
    archive = save(path, {"state": {"a": np.array([1, 2], dtype)}}, {})
    assert archive["state/a"].tolist() == [1, 2]


def test_bfloat16_is_read_in_a_process_that_has_not_heard_of_it(path):
    save(path, {"s": {"a": np.array([1.5, -2], ml_dtypes.bfloat16)}}, {})
    read = f"Archive({str(path)!r})['s/a']"
    code = f"from tf_lottery.core.archive import Archive; print({read})"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[1.5 -2]"


def test_the_header_comes_back_and_numbers_that_json_lacks_become_null(path):
    header = {"step": np.int64(3), "loss": np.nan, "won": False, "names": ["a", None]}
    archive = save(path, {}, {**header, "inf": np.float32(np.inf)})
    expected = {"step": 3, "loss": None, "won": False, "names": ["a", None]}
    assert archive.header == {**expected, "inf": None, "format": FORMAT}


def test_groups_have_their_own_names(saved):
    archive = Archive(saved)
    assert set(archive.group("state")) == set(GROUPS["state"])
    assert set(archive.group("flags")) == {"seen"}
    assert len(archive.group("stat")) == 0
    with pytest.raises(KeyError):
        archive.group("state")["nothing"]


def test_masks_take_a_bit_a_weight_and_removed_weights_nothing(path):
    masks = Masks({"k": np.arange(80_000) % 100 == 0})
    weights = np.where(masks["k"], np.random.default_rng(0).random(80_000), 0)
    save(path, {"state": {"k": weights}}, {}, masks)
    assert path.stat().st_size < 80_000 / 8 + 800 * 8 + 2_000


def test_a_constant_takes_one_value(path):
    save(path, {"state": {"slots": compact(np.zeros((1000, 100)))}}, {})
    assert path.stat().st_size < 2_000


@given(any_array())
@in_one_directory
def test_compact_changes_no_bit(array):
    assert is_same(compact(array), array)


def test_compact_keeps_the_signs_of_zeros():
    zeros = np.float32([0.0, -0.0])
    assert is_same(compact(zeros), zeros)


def test_others_can_open_the_file(saved):
    found = safetensors.numpy.load_file(saved)
    assert is_same(found["state/bias"], GROUPS["state"]["bias"])
    assert is_same(found["state/half"], GROUPS["state"]["half"])
    assert is_same(found["state/optimizer:iterations"], np.array(7))
    assert is_same(found["state/k"], GROUPS["state"]["k"][MASKS["k"]])
    assert is_same(found["state/slots"], np.float32([0.25]))
    assert found["masks/k"].tolist() == np.packbits(MASKS["k"]).tolist()


@given(st.dictionaries(st.text(min_size=1, max_size=5), any_array(), max_size=4))
@in_one_directory
def test_others_can_open_any_file_and_find_each_array_aligned(path, arrays):
    save(path, {"state": arrays}, {})
    found = safetensors.numpy.load_file(path)
    assert {f"state/{name}" for name in arrays} <= set(found)
    for name in arrays:
        start, _ = span(path, f"state/{name}")
        assert start % found[f"state/{name}"].itemsize == 0


@pytest.mark.parametrize("name", [ml_dtypes.float8_e4m3fn, "c8", "c16", ml_dtypes.int4])
def test_types_that_others_lack_are_bytes_to_them(path, name):
    array = np.array([0, 1, 2]).astype(name)
    assert is_same(save(path, {"s": {"a": array}}, {})["s/a"], array)
    assert safetensors.numpy.load_file(path)["s/a"].tobytes() == array.tobytes()


@pytest.mark.parametrize("text", ["0" * 64, "sha256", "__metadata__", " ", "}\n"])
def test_a_header_may_hold_any_text(path, text):
    archive = save(path, {"s": {text: np.zeros(2)}}, {"text": text, text: 1})
    assert (archive.header["text"], archive.header[text]) == (text, 1)
    assert archive["s/" + text].tolist() == [0, 0]


@pytest.mark.parametrize("length", [0, 1, 3_000])
def test_a_header_of_any_length_fits_before_the_arrays(path, length):
    arrays = {f"{'ü' * length}{n}": np.zeros((1,) * 32, "f4") for n in range(3)}
    archive = save(path, {"s": arrays}, {"text": "ü" * length})
    assert archive.header["text"] == "ü" * length
    assert all(archive[f"s/{name}"].shape == (1,) * 32 for name in arrays)


def test_a_header_that_could_not_be_read_again_is_not_written(path, monkeypatch):
    monkeypatch.setattr(layout, "LONGEST", 5_000)
    with pytest.raises(ValueError, match="at most 5,000 bytes"):
        save(path, {}, {"text": "x" * 5_000})
    assert not path.exists()


# Lazy reading.


@pytest.fixture
def unreadable(saved):
    """A file of which no array but `state/bias` can be read."""
    forge(
        saved,
        data={n: bytes(len(a)) for n, a in parts(saved)[2].items() if "bias" not in n},
    )
    return saved


def test_nothing_is_read_before_it_is_asked_for(unreadable):
    archive = Archive(unreadable)
    state = archive.group("state")
    assert (len(archive), len(state)) == (7, 5)
    assert list(state) == list(GROUPS["state"])
    assert state["bias"][0] == 0.5
    with pytest.raises(TicketError, match="'state/half'"):
        state["half"]


def test_asking_whether_an_array_is_there_reads_none(unreadable):
    archive = Archive(unreadable)
    assert "state/half" in archive
    assert "half" in archive.group("state")
    assert "nothing" not in archive.group("state")


def test_what_is_said_of_an_array_needs_no_reading_of_it(unreadable):
    archive = Archive(unreadable)
    entries = archive.entries
    assert entries.keys() == set(archive)
    assert all(len(entry.sha256) == 64 for entry in entries.values())


def test_reading_is_linear_in_the_number_of_arrays(path):
    def seconds(number):
        arrays = {f"layer_{n}/kernel": np.float32([n, 0, 1]) for n in range(number)}
        masks = Masks({name: np.array([True, False, True]) for name in arrays})
        started = time.thread_time()
        archive = save(path, {"state": arrays}, {}, masks)
        assert archive.masks == masks
        assert all(is_same(archive[f"state/{n}"], a) for n, a in arrays.items())
        return time.thread_time() - started

    gc.disable()  # it walks through all that other tests left in the process
    try:
        few, many = (min(seconds(n) for _ in range(3)) for n in (500, 2_000))
    finally:
        gc.enable()
    # Four times as many take four times as long; if each read all, sixteen times.
    assert many < 9 * few


def test_no_file_stays_open(saved):
    archives = [Archive(saved) for _ in range(50)]
    before = len(os.listdir("/dev/fd"))
    assert all(archive["state/bias"][0] == 0.5 for archive in archives)
    assert len(os.listdir("/dev/fd")) == before < 50


class OneAtATime(dict):
    """Makes each array when asked for, and fails if the last one is still alive."""

    last = staticmethod(lambda: None)

    def __getitem__(self, name):
        gc.collect()
        assert self.last() is None
        array = np.full(1000, super().__getitem__(name))
        self.last = weakref.ref(array)
        return array


@pytest.mark.slow
def test_a_lazy_mapping_is_written_one_array_at_a_time(path):
    archive = save(path, {"state": OneAtATime(a=1.0, b=2.0, c=3.0)}, {})
    assert [archive[f"state/{name}"][0] for name in "abc"] == [1, 2, 3]


def test_bug_of_a_header_whose_length_looked_like_a_zip_file(path):
    """The length of the header comes first, and may begin with "PK"."""
    found = []
    for more in range(19_280 - 1000, 19_280, layout.ALIGNMENT):
        save(path, {}, {"text": "a" * more})
        found.append(path.read_bytes()[:2])
        assert Archive(path).header["text"] == "a" * more
    assert b"PK" in found
