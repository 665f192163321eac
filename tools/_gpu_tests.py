"""Step of the GPU report: the tests of Keras 3 that are marked `gpu`."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from _gpu_log import Log

ROOT = Path(__file__).parents[1]
TESTS = "tests/bindings/keras3/gpu_test.py"


def tests(log: Log, scale: Any) -> None:
    """Runs the tests in a process of their own; each is a row."""
    results = log.directory / "tests.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["-m", "gpu", f"--junitxml={results}", TESTS]
    # The tests start processes of their own, which need memory of the card, too.
    own = {"TESTED_BACKEND": "jax", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    done = subprocess.run(command, cwd=ROOT, env=os.environ | own)
    for case in ElementTree.parse(results).iter("testcase"):
        outcomes = [child.tag for child in case if child.tag in _BAD]
        row = {"outcome": ", ".join(outcomes) or "passed"}
        row["seconds"] = float(case.get("time", 0))
        log.add("tests", str(case.get("name")), row)
    passed = done.returncode == 0
    log.end("tests", passed, "" if passed else f"pytest ended with {done.returncode}.")


_BAD = ("failure", "error", "skipped")
