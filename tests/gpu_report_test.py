"""The report of a GPU goes on where it was, and runs at a small scale on a CPU."""

import dataclasses
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tf_lottery import Plan

ROOT = Path(__file__).parents[1]
STEPS = ["tests", "step", "lanes", "torch", "search", "paper"]


@pytest.fixture(scope="module")
def tool():
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(ROOT / "tools")
        yield importlib.import_module("_gpu_log")


def test_rows_are_there_for_the_next_call(tool, tmp_path):
    log = tool.Log(tmp_path, 60)
    log.begin()
    log.add("step", "LeNet", {"ms": 0.061, "of fit [95 %]": (0.13, 0.12, 0.14)})
    other = tool.Log(tmp_path, 60)
    assert other.has("step", "LeNet")
    assert not other.has("step", "Conv-2")
    assert not other.step("step")["done"]


def test_the_table_has_all_columns_and_says_what_is_not_finished(tool, tmp_path):
    log = tool.Log(tmp_path, 60)
    log.begin()
    log.add("step", "a", {"ms": 0.5})
    log.add("step", "b", {"of fit [95 %]": (0.13, 0.12, 0.14)})
    text = (tmp_path / "report.md").read_text()
    assert "## step (not finished)" in text
    assert "| a | 0.5 |  |" in text
    assert "| b |  | 0.13 [0.12, 0.14] |" in text
    log.end("step", True, "Medians.")
    text = (tmp_path / "report.md").read_text()
    assert "## step\n" in text
    assert text.endswith("\nMedians.\n")


def test_rows_of_another_card_are_refused(tool, tmp_path, monkeypatch):
    tool.Log(tmp_path, 60).begin()
    monkeypatch.setattr(tool, "card", lambda: "another card")
    with pytest.raises(ValueError, match="hold a report of this card"):
        tool.Log(tmp_path, 60).begin()


def run(output, minutes=10):
    """Begins a report at a small scale on the CPU."""
    command = [sys.executable, str(ROOT / "tools" / "gpu_report.py")]
    command += [f"--output={output}", f"--minutes={minutes}", "--scale=small"]
    left_out = ("TF_USE_LEGACY_KERAS", "PYTEST_ADDOPTS")
    environment = {n: v for n, v in os.environ.items() if n not in left_out}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


def content(output):
    path = output / "report.json"
    return json.loads(path.read_text()) if path.exists() else {"steps": {}}


def has_row(output):
    return any(step["rows"] for step in content(output)["steps"].values())


@pytest.mark.slow
def test_a_report_that_was_stopped_goes_on_to_its_end(tmp_path):
    process, patience = run(tmp_path), time.monotonic() + 300
    while not has_row(tmp_path) and time.monotonic() < patience:
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    before = content(tmp_path)["steps"]
    assert "no time" not in json.dumps(before)
    assert run(tmp_path).wait(900) == 0
    after = content(tmp_path)["steps"]
    assert list(after) == STEPS
    for name, step in before.items():
        assert step["rows"].items() <= after[name]["rows"].items()
    has_lanes = "together" in {each.name for each in dataclasses.fields(Plan)}
    done = {name for name, step in after.items() if step["done"]}
    assert done == set(STEPS) - ({"lanes"} if not has_lanes else set())
    assert len(list((tmp_path / "run").glob("replicate_*"))) == 2
    assert set(after["paper"]["rows"]) >= {"ticket 0", "ticket 2", "reinit 2"}
