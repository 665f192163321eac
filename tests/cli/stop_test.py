"""Ctrl-C ends a sweep with 130, and the same command continues it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tf_lottery.cli import main as cli

SWEEP = (
    *("sweep", "mine.py", "--tuner=grid", "--vary", "pruning_rate=0.2,0.5"),
    *("--rounds=1", "--steps=300", "--evaluate_every=100", "--directory=."),
)


def begun(directory):
    """A sweep in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tf_lottery", *SWEEP],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_ctrl_c_ends_a_sweep_with_130_and_the_same_command_continues_it(tmp_path):
    recipe = tmp_path / "mine.py"
    cli.main(cli.parse(["tf_lottery", "init", str(recipe)]))
    victim, deadline = begun(tmp_path), time.monotonic() + 120
    while not list(tmp_path.glob("sweep_mine/*/search/**/round_00/metrics.json")):
        assert victim.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    victim.send_signal(signal.SIGINT)
    _, said = victim.communicate(timeout=60)
    assert victim.returncode == 128 + signal.SIGINT
    assert "Stopped" in said
    assert "The same command continues where it was." in said
    assert "Traceback" not in said
    again = begun(tmp_path)
    printed, said = again.communicate(timeout=200)
    assert again.returncode == 0, said
    assert "Trials, best first (2):" in printed
