"""A file is written whole, or not at all."""

import errno
import json
import os
import stat

import numpy as np
import pytest

from tf_lottery.core import archive
from tf_lottery.core.errors import TicketError


class Dies(dict):
    def __getitem__(self, name):
        if name == "c":
            raise KeyboardInterrupt
        return super().__getitem__(name)


def test_a_crash_in_the_middle_of_writing_leaves_the_old_file(saved, tmp_path):
    before = saved.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        archive.save(
            saved, {"state": Dies(a=np.ones(3), b=np.ones(3), c=np.ones(3))}, {}
        )
    assert saved.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["file.safetensors"]


def test_a_crash_of_the_last_step_leaves_the_old_file(saved, monkeypatch, tmp_path):
    before = saved.read_bytes()

    def replace(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="disk is full"):
        archive.save(saved, {}, {})
    assert saved.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["file.safetensors"]


def test_a_file_is_not_there_before_it_is_whole(path):
    class Looks(dict):
        def __getitem__(self, name):
            assert not path.exists()
            return super().__getitem__(name)

    archive.save(path, {"state": Looks(a=np.ones(3), b=np.ones(3))}, {})
    assert path.exists()


def test_files_can_be_read_by_those_whom_the_umask_allows(path):
    before = os.umask(0o022)
    try:
        archive.save(path, {}, {})
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644


def test_the_umask_of_the_process_is_left_alone(path, monkeypatch):
    monkeypatch.setattr(os, "umask", None)
    archive.save(path, {}, {})
    assert path.exists()


def test_the_bytes_are_on_the_disk_before_the_name_and_the_name_before_it_returns(
    path, monkeypatch
):
    done = []
    replace = os.replace

    def sync(file):
        is_directory = stat.S_ISDIR(os.fstat(file).st_mode)
        done.append("directory" if is_directory else "file")

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", lambda *p: done.append("name") or replace(*p))
    archive.save(path, {}, {})
    assert done == ["file", "name", "directory"]


def test_a_system_that_cannot_sync_directories_writes_all_the_same(path, monkeypatch):
    def sync(file):
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", sync)
    assert archive.save(path, {"s": {"a": np.ones(3)}}, {})["s/a"].sum() == 3


FULL = {errno.ENOSPC: "No space left on device", errno.EDQUOT: "Quota exceeded"}
ANY = FULL | {errno.EIO: "Input/output error", errno.EROFS: "Read-only file system"}
ADVICE = "Free some space and call again: finished trainings are kept."


class Fails(dict):
    def __init__(self, number):
        super().__init__(a=np.ones(3), b=number)

    def __getitem__(self, name):
        value = super().__getitem__(name)
        if name == "b":
            raise OSError(value, os.strerror(value))
        return value


@pytest.mark.parametrize("number", ANY)
@pytest.mark.parametrize("where", ["write", "fsync", "replace", "mkdir", "open"])
def test_what_cannot_be_written_names_the_path_and_the_next_step(
    path, tmp_path, monkeypatch, where, number
):
    def fail(first, *_, **__):
        named = () if where == "fsync" else (str(first),)
        raise OSError(number, os.strerror(number), *named)

    if where in ("fsync", "replace"):
        monkeypatch.setattr(os, where, fail)
    elif where != "write":
        monkeypatch.setattr(f"pathlib.Path.{where}", fail)
    arrays = Fails(number) if where == "write" else {}
    with pytest.raises(OSError, match=r"file\.safetensors cannot be written") as caught:
        archive.save(path, {"state": arrays}, {})
    assert caught.value.errno == number
    assert type(caught.value) is type(OSError(number, ""))
    assert os.strerror(number) in str(caught.value)
    assert archive.TEMPORARY not in str(caught.value)
    assert (ADVICE in str(caught.value)) == (number in FULL)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


def test_json_that_cannot_be_written_names_the_path_and_the_next_step(
    tmp_path, monkeypatch
):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"metrics\.json cannot be written.*Free some"):
        archive.write_json(tmp_path / "metrics.json", {})


def test_an_error_of_another_file_is_not_blamed_on_the_one_that_is_written(
    saved, tmp_path
):
    group = archive.Archive(saved).group("state")
    saved.rename(tmp_path / "elsewhere")
    with pytest.raises(TicketError, match=r"file\.safetensors must exist") as caught:
        archive.save(tmp_path / "other", {"state": group}, {})
    assert "cannot be written" not in str(caught.value)
    saved.mkdir()
    with pytest.raises(TicketError, match=r"file\.safetensors"):
        archive.save(tmp_path / "other", {"state": group}, {})


def test_json_is_strict_and_replaced_whole(tmp_path):
    path = tmp_path / "a" / "metrics.json"
    archive.write_json(
        path, {"loss": np.float32("nan"), "step": np.int64(3), "x": [1.5]}
    )
    assert json.loads(path.read_text()) == {"loss": None, "step": 3, "x": [1.5]}
    with pytest.raises(TypeError):
        archive.write_json(path, {"x": object()})
    assert json.loads(path.read_text())["step"] == 3
    assert [file.name for file in path.parent.iterdir()] == ["metrics.json"]
