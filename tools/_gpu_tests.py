"""Step of the GPU report: the tests of Keras 3 that are marked `gpu`."""

import os
from pathlib import Path
from typing import Any

import pytest
from _gpu_log import Log

ROOT = Path(__file__).parents[1]
TESTS = "tests/bindings/keras3/gpu_test.py"


def tests(log: Log, scale: Any) -> None:
    """Runs the tests that did not pass yet; each is a row as soon as it ends."""
    # Some start processes of their own, which need memory of the card, too.
    os.environ |= {"TESTED_BACKEND": "jax", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    os.chdir(ROOT)
    rows = log.step("tests")["rows"]
    passed = [name for name, row in rows.items() if row["outcome"] == "passed"]
    arguments = ["-q", "-p", "no:cacheprovider", "-m", "gpu", TESTS]
    arguments += [f"--deselect={TESTS}::{name}" for name in passed]
    ended = pytest.main(arguments, plugins=[_Rows(log)])
    nothing_left = passed and ended is pytest.ExitCode.NO_TESTS_COLLECTED
    done = nothing_left or ended is pytest.ExitCode.OK
    log.end("tests", done, "" if done else f"pytest ended with {int(ended)}.")


class _Rows:
    """Writes each test when it has ended, or when its preparation has failed."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" or report.outcome != "passed":
            row = {"outcome": report.outcome, "seconds": float(report.duration)}
            self._log.add("tests", report.nodeid.partition("::")[2], row)
