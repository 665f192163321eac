"""Files give back what was written, or say that they cannot."""

import gc
import json
import os
import subprocess
import sys
import weakref
import zipfile

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tf_lottery.core import io
from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks

MASKS = Masks({"k": np.arange(24).reshape(4, 6) % 3 == 0})
GROUPS = {
    "state": {
        "k": np.where(MASKS["k"], np.arange(24, dtype="f4").reshape(4, 6), 0),
        "bias": np.float32([0.5, -1.5, np.nan]),
        "half": np.array([1.5, 2.5, -0.0], ml_dtypes.bfloat16),
        "slots": np.broadcast_to(np.float32(0.25), (3, 5)),
        "optimizer:iterations": np.array(7),
    },
    "flags": {"seen": np.array([True, False, True])},
}
in_one_directory = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.npz"


@pytest.fixture
def saved(path):
    io.save(path, GROUPS, {"step": 3}, MASKS)
    return path


def is_same(one, other):
    """Equal in type, shape and every bit."""
    kind = (one.dtype, one.shape) == (other.dtype, other.shape)
    return kind and one.tobytes() == other.tobytes()


def read(path):
    """Header and bytes of a file, all of them."""
    archive = io.Archive(path)
    arrays = {name: (a.dtype, a.shape, a.tobytes()) for name, a in archive.items()}
    return json.dumps(archive.header), list(archive), arrays


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
    archive = io.save(path, {"state": {"a/b:c": array}}, {})
    assert is_same(archive["state/a/b:c"], array)


@given(npst.arrays("f4", (3, 4)), npst.arrays(bool, (3, 4)))
@in_one_directory
def test_survivors_come_back_bit_by_bit_and_the_rest_as_it_was(path, array, mask):
    for weights in (array, np.where(mask, array, np.float32(0))):
        archive = io.save(path, {"state": {"k": weights}}, {}, Masks({"k": mask}))
        found = archive["state/k"]
        assert is_same(found[mask], weights[mask])
        assert np.array_equal(found, weights, equal_nan=True)


@given(st.dictionaries(st.text(min_size=1, max_size=5), npst.arrays(bool, shapes)))
@in_one_directory
def test_masks_come_back_in_their_order(path, arrays):
    arrays = {name: a for name, a in arrays.items() if "\0" not in name}
    masks = Masks(arrays)
    found = io.save(path, {}, {}, masks).masks
    assert found == masks
    assert list(found) == list(masks)


@pytest.mark.parametrize("dtype", [">f4", ">i8", ">f8"])
def test_numbers_of_another_byte_order_keep_their_value(path, dtype):
    archive = io.save(path, {"state": {"a": np.array([1, 2], dtype)}}, {})
    assert archive["state/a"].tolist() == [1, 2]


def test_bfloat16_is_read_in_a_process_that_has_not_heard_of_it(path):
    io.save(path, {"s": {"a": np.array([1.5, -2], ml_dtypes.bfloat16)}}, {})
    code = f"from tf_lottery.core import io; print(io.Archive({str(path)!r})['s/a'])"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[1.5 -2]"


def test_the_header_comes_back_and_numbers_that_json_lacks_become_null(path):
    header = {"step": np.int64(3), "loss": np.nan, "won": False, "names": ["a", None]}
    archive = io.save(path, {}, {**header, "inf": np.float32(np.inf)})
    expected = {"step": 3, "loss": None, "won": False, "names": ["a", None]}
    assert archive.header == {**expected, "inf": None, "format": io.FORMAT}


def test_groups_have_their_own_names(saved):
    archive = io.Archive(saved)
    assert set(archive.group("state")) == set(GROUPS["state"])
    assert set(archive.group("flags")) == {"seen"}
    assert len(archive.group("stat")) == 0
    with pytest.raises(KeyError):
        archive.group("state")["nothing"]


def test_masks_take_a_bit_a_weight_and_removed_weights_nothing(path):
    masks = Masks({"k": np.arange(80_000) % 100 == 0})
    weights = np.where(masks["k"], np.random.default_rng(0).random(80_000), 0)
    io.save(path, {"state": {"k": weights}}, {}, masks)
    assert path.stat().st_size < 80_000 / 8 + 800 * 8 + 2_000


def test_a_constant_takes_one_value(path):
    io.save(path, {"state": {"slots": io.compact(np.zeros((1000, 100)))}}, {})
    assert path.stat().st_size < 2_000


@given(any_array())
@in_one_directory
def test_compact_changes_no_bit(array):
    assert is_same(io.compact(array), array)


def test_compact_keeps_the_signs_of_zeros():
    zeros = np.float32([0.0, -0.0])
    assert is_same(io.compact(zeros), zeros)


def test_numpy_can_open_the_file(saved):
    with np.load(saved, allow_pickle=False) as file:
        assert file["state/bias"].tolist()[:2] == [0.5, -1.5]


# Lazy reading.


@pytest.fixture
def reads(monkeypatch):
    found = []
    read_array = np.lib.format.read_array

    def noted(member, **options):
        found.append(member.name)
        return read_array(member, **options)

    monkeypatch.setattr(np.lib.format, "read_array", noted)
    return found


def test_nothing_is_read_before_it_is_asked_for(saved, reads):
    archive = io.Archive(saved)
    state = archive.group("state")
    assert (len(archive), len(state), reads) == (7, 5, [])
    assert state["bias"][0] == 0.5
    assert reads == ["state/bias.npy"]


def test_asking_whether_an_array_is_there_reads_none(saved, reads):
    archive = io.Archive(saved)
    assert "state/bias" in archive
    assert "bias" in archive.group("state")
    assert "nothing" not in archive.group("state")
    assert reads == []


class OneAtATime(dict):
    """Makes each array when asked for, and fails if the last one is still alive."""

    last = staticmethod(lambda: None)

    def __getitem__(self, name):
        gc.collect()
        assert self.last() is None
        array = np.full(1000, super().__getitem__(name))
        self.last = weakref.ref(array)
        return array


def test_a_lazy_mapping_is_written_one_array_at_a_time(path):
    archive = io.save(path, {"state": OneAtATime(a=1.0, b=2.0, c=3.0)}, {})
    assert [archive[f"state/{name}"][0] for name in "abc"] == [1, 2, 3]


# Damage.


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
    with pytest.raises(TicketError, match=r"file\.npz"):
        io.Archive(path)


def test_a_missing_file_is_missing_and_not_damaged(path):
    with pytest.raises(FileNotFoundError):
        io.Archive(path)


# Writing.


class Dies(dict):
    def __getitem__(self, name):
        if name == "c":
            raise KeyboardInterrupt
        return super().__getitem__(name)


def test_a_crash_in_the_middle_of_writing_leaves_the_old_file(saved, tmp_path):
    before = saved.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        io.save(saved, {"state": Dies(a=np.ones(3), b=np.ones(3), c=np.ones(3))}, {})
    assert saved.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["file.npz"]


def test_a_crash_of_the_last_step_leaves_the_old_file(saved, monkeypatch, tmp_path):
    before = saved.read_bytes()

    def replace(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="disk is full"):
        io.save(saved, {}, {})
    assert saved.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["file.npz"]


def test_a_file_is_not_there_before_it_is_whole(path):
    class Looks(dict):
        def __getitem__(self, name):
            assert not path.exists()
            return super().__getitem__(name)

    io.save(path, {"state": Looks(a=np.ones(3), b=np.ones(3))}, {})
    assert path.exists()


def test_files_can_be_read_by_those_whom_the_umask_allows(path):
    before = os.umask(0o022)
    try:
        io.save(path, {}, {})
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644


def test_json_is_strict_and_replaced_whole(tmp_path):
    path = tmp_path / "a" / "metrics.json"
    io.write_json(path, {"loss": np.float32("nan"), "step": np.int64(3), "x": [1.5]})
    assert json.loads(path.read_text()) == {"loss": None, "step": 3, "x": [1.5]}
    with pytest.raises(TypeError):
        io.write_json(path, {"x": object()})
    assert json.loads(path.read_text())["step"] == 3
    assert [file.name for file in path.parent.iterdir()] == ["metrics.json"]
