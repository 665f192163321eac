"""Keras 3 on each of its backends, each in a process of its own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KERAS3 = "tests/bindings/keras3"
CONTRACT = ["tests/bindings/contract_test.py"]
BRIEF = "jax_groups_test.py", "lanes_test.py", "reached_test.py", "sweep_lanes_test.py"
IN_BRIEF = [*CONTRACT, *(f"{KERAS3}/{name}" for name in BRIEF)]
ALL = [*CONTRACT, "tests/bindings/hold_test.py", "tests/bindings/exporting", KERAS3]
BACKENDS = "tensorflow", "jax", "torch"


def run(backend, tests, marks):
    """Runs tests under a backend; what they print if they fail."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["--numprocesses", "0", "-m", f"not gpu and not tpu{marks}", *tests]
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "TF_USE_LEGACY_KERAS" and not name.startswith("PYTEST_XDIST")
    }
    environment |= {"KERAS_BACKEND": backend, "TESTED_BACKEND": backend}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True
    )
    return "" if done.returncode == 0 else f"{done.stdout[-6000:]}{done.stderr[-2000:]}"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_keeps_the_contract(backend):
    assert run(backend, IN_BRIEF, " and not slow") == ""


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_passes_all_its_tests(backend):
    assert run(backend, ALL, "") == ""
