"""Random damage of a run directory: nothing is silent, a traceback, slow or large."""

import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "fuzz_run_dir"


def test_damage_is_found_or_changes_nothing():
    command = [sys.executable, TOOL, "--mutations=144", "--seed=16"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert "0 silent, 0 traceback, 0 slow, 0 large" in done.stdout
