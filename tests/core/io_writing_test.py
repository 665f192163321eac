"""A file is written whole, or not at all."""

import json
import os

import numpy as np
import pytest

from tf_lottery.core import io


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
    assert [file.name for file in tmp_path.iterdir()] == ["file.safetensors"]


def test_a_crash_of_the_last_step_leaves_the_old_file(saved, monkeypatch, tmp_path):
    before = saved.read_bytes()

    def replace(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="disk is full"):
        io.save(saved, {}, {})
    assert saved.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["file.safetensors"]


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
