"""Long arrays are written and read in chunks, with nothing twice in memory."""

import errno
import os
import stat
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tf_lottery.core import archive, encoding, hashing, syncing
from tf_lottery.core.archive import Archive, save
from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks


@pytest.fixture
def small_chunks(monkeypatch):
    """Each array of the test has many chunks, and a second thread hashes them."""
    monkeypatch.setattr(encoding, "_CHUNK", 8)
    monkeypatch.setattr(archive, "_READ", 20)
    monkeypatch.setattr(hashing, "_LARGE", 8)


in_one_directory = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
any_mask = st.integers(0, 70).flatmap(lambda length: npst.arrays(bool, length))


@given(any_mask, st.sampled_from(["f2", "f4", "f8", "i1"]))
@in_one_directory
@pytest.mark.usefixtures("small_chunks")
def test_survivors_of_many_chunks_come_back(path, mask, dtype):
    array = np.where(mask, np.arange(1, mask.size + 1), 0).astype(dtype)
    found = save(path, {"state": {"k": array}}, {}, Masks({"k": mask}))["state/k"]
    assert (found.dtype, found.tolist()) == (array.dtype, array.tolist())


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("density", [0.5, 1.0])
def test_a_changed_byte_in_any_chunk_is_found(path, density):
    mask = np.random.default_rng(0).random(100) < density
    array = np.where(mask, np.arange(1, 101, dtype="f4"), 0)
    save(path, {"state": {"k": array}}, {}, Masks({"k": mask}))
    whole = path.read_bytes()
    end = len(whole)
    for position in range(end - 4 * int(mask.sum()), end):
        damaged = bytearray(whole)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(TicketError, match="checksum differs"):
            Archive(path)["state/k"]


@pytest.mark.parametrize("density", [0.9, 1.0])
def test_reading_takes_little_more_memory_than_the_array(path, monkeypatch, density):
    monkeypatch.setattr(encoding, "_CHUNK", 2**14)
    rng = np.random.default_rng(0)
    mask = rng.random(2**20) < density
    array = np.where(mask, rng.random(2**20, np.float32), np.float32(0))
    read = save(path, {"state": {"k": array}}, {}, Masks({"k": mask}))
    tracemalloc.start()
    try:
        found = read["state/k"]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.array_equal(found, array)
    # The array, the bits of the mask, and chunks.
    assert peak < 1.2 * array.nbytes


def test_masks_are_read_and_written_as_bits(path):
    masks = Masks.full({"k": (1000, 1000)})
    tracemalloc.start()
    try:
        found = save(path, {}, {}, masks).masks
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == masks
    assert peak < masks.size  # an array of bools has a byte for each weight


# The disk gets a long file while it is written.


@pytest.fixture
def syncs(monkeypatch):
    """The sizes of files when they were synced; the last is that of the whole."""
    found, sync = [], os.fsync

    def noted(file):
        status = os.fstat(file)
        if stat.S_ISREG(status.st_mode):
            found.append((status.st_size, threading.current_thread()))
        sync(file)

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(syncing, "_OFTEN", 10_000)
    monkeypatch.setattr(encoding, "_CHUNK", 1_000)
    return found


def test_a_long_file_goes_to_the_disk_while_it_is_written(path, syncs):
    save(path, {"state": {"k": np.arange(20_000.0)}}, {})
    assert len(syncs) > 1
    early, (last, thread) = syncs[:-1], syncs[-1]
    assert all(each is not threading.main_thread() for _, each in early)
    assert early[0][0] <= last == path.stat().st_size  # a slow thread looks late
    assert thread is threading.main_thread()


def test_a_short_file_goes_to_the_disk_at_once(path, syncs):
    save(path, {"state": {"k": np.arange(100.0)}}, {})
    assert [size for size, _ in syncs] == [path.stat().st_size]


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_what_the_disk_refuses_early_is_an_error(path, syncs, monkeypatch, number):
    """The system tells it once: the last sync would not hear of it."""
    sync, failed = os.fsync, []

    def fail_once(file):
        if not failed:
            failed.append(file)
            raise OSError(number, os.strerror(number))
        sync(file)

    monkeypatch.setattr(os, "fsync", fail_once)
    with pytest.raises(OSError, match=r"file\.safetensors cannot be written") as caught:
        save(path, {"state": {"k": np.arange(20_000.0)}}, {})
    assert caught.value.errno == number
    assert list(path.parent.iterdir()) == []


def test_a_file_is_closed_after_its_last_early_sync(path, syncs, monkeypatch):
    """A number of a file that was closed may be that of another file."""
    began, sync, wrong = threading.Event(), os.fsync, []

    def slow(file):
        if threading.current_thread() is not threading.main_thread():
            began.set()
            threading.Event().wait(0.1)
            try:
                os.fstat(file)
            except OSError as error:
                wrong.append(error)
        sync(file)

    class Stops(dict):
        def __getitem__(self, name):
            if name == "stop":
                assert began.wait(5)
                raise KeyboardInterrupt
            return super().__getitem__(name)

    monkeypatch.setattr(os, "fsync", slow)
    with pytest.raises(KeyboardInterrupt):
        save(path, {"state": Stops(k=np.arange(20_000.0), stop=None)}, {})
    assert not wrong
    assert list(path.parent.iterdir()) == []
