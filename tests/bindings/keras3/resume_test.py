"""A search whose process was killed ends with the bits of one that was not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.bindings.keras3 import killing
from tests.bindings.keras3.models import BACKEND
from tf_lottery.training import checkpoint

pytestmark = pytest.mark.filterwarnings("ignore:A training continues|No ticket|The tic")

ROOT = Path(__file__).parents[3]
# The epochs that begin before a kill: of the 16 of the search, in a control too.
KILLS = [4, 3, 3]


def killed(path, epoch):
    """Searches in another process, which kills itself at an epoch."""
    code, inherited = "tests.bindings.keras3.killing", os.environ.get("PYTHONPATH", "")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", code, str(path), str(epoch)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{inherited}"},
        capture_output=True,
        text=True,
    )
    return done.returncode == -signal.SIGKILL or done.stderr


def assert_equal_after(kills, path, monkeypatch):
    monkeypatch.setattr(checkpoint, "_SHARE", np.inf)
    for epoch in kills:
        assert killed(path / "killed", epoch) is True
    killing.search(path / "killed")
    killing.search(path / "whole")
    found, expected = map(killing.files, (path / "killed", path / "whole"))
    assert found.keys() == expected.keys()
    assert len([name for name in found if name.endswith("outcome.safetensors")]) == 8
    assert [name for name in found if found[name] != expected[name]] == []


@pytest.mark.skipif(BACKEND == "torch", reason="a long test shows it")
def test_a_killed_search_ends_with_the_same_bits(tmp_path, monkeypatch):
    assert_equal_after(KILLS[:1], tmp_path, monkeypatch)


@pytest.mark.slow
def test_a_search_that_is_killed_three_times_ends_with_the_same_bits(
    tmp_path, monkeypatch
):
    assert_equal_after(KILLS, tmp_path, monkeypatch)
