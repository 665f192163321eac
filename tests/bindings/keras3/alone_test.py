"""JAX and PyTorch need no TensorFlow; importing is quick and imports no framework."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bindings.keras3.models import BACKEND

ROOT = Path(__file__).parents[3]
SECONDS = 2.0  # of the processor; it takes 0.05


def run(code):
    """Runs code in a process of its own; what it prints."""
    command = [sys.executable, "-W", "ignore", "-c", code]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.skipif(BACKEND == "tensorflow", reason="it is TensorFlow")
def test_a_search_and_what_follows_run_where_tensorflow_cannot_be_imported():
    run("from tests.bindings.keras3 import alone; alone.main()")


def test_the_import_of_the_package_is_quick():
    spent = run("import time, tf_lottery; print(time.process_time())")
    assert float(spent) < SECONDS
