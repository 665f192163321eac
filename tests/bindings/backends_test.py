"""Keras 3 on each of its backends, each in a process of its own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACT = "tests/bindings/contract_test.py"
ALL = [CONTRACT, "tests/bindings/hold_test.py"]
ALL += ["tests/bindings/exporting", "tests/bindings/keras3"]
BACKENDS = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}


def run(backend, *tests):
    """Runs tests under a backend; what they print if they fail."""
    if importlib.util.find_spec(BACKENDS[backend]) is None:
        pytest.skip(f"{backend} is not installed")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["--numprocesses", "0", "-m", "not gpu and not tpu", *tests]
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
    assert run(backend, CONTRACT) == ""


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_passes_all_its_tests(backend):
    assert run(backend, *ALL) == ""
