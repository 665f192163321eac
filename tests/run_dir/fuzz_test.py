"""Random damage of a run directory: nothing is silent, a traceback, slow or large."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "fuzz_run_dir"


@pytest.mark.slow
def test_damage_is_found_or_changes_nothing():
    command = [sys.executable, TOOL, "--mutations=150", "--seed=16"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert "0 silent, 0 traceback, 0 slow, 0 large" in done.stdout


def test_the_table_says_on_which_machine_it_was_made():
    command = [sys.executable, TOOL, "--mutations=1", "--table"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "cores, " in done.stdout.splitlines()[-1]
    assert " GiB of memory, " in done.stdout.splitlines()[-1]
