"""Killed anywhere and called again, a real search ends with the same bits.

Some are killed in a process of their own, by SIGKILL, SIGTERM and SIGINT, others by an
exception that nothing here may catch.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.search import killing

pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket|A control")

ROOT = pathlib.Path(__file__).parents[2]
VARIANTS = ("arrays", "shuffle")
# What a process ends with that was killed.
KILLED = {-signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGTERM, -signal.SIGINT}


def killed(data, path, at, number):
    """Whether a process was killed; else its search is finished."""
    code = "from tests.search import killing; killing.main()"
    arguments = [data, str(path), json.dumps(at), str(int(number))]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert done.returncode in {0, *KILLED}, done.stderr
    return done.returncode != 0


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The results of searches that ran in one piece."""
    found = {}

    def of(data):
        if data not in found:
            path = tmp_path_factory.mktemp("undisturbed")
            killing.search(data, path)
            found[data] = killing.result(path)
        return found[data]

    return of


HERE = {
    "arrays": [
        *(("file", 2, "before"), ("file", 2, "after"), ("epoch", 2)),
        *(("file", 4, "before"), ("epoch", 3), ("file", 7, "after")),
    ],
    "shuffle": [("epoch", 3), ("file", 9, "before"), ("epoch", 3)],
}


@pytest.mark.first_case
@pytest.mark.parametrize("data", VARIANTS)
def test_killed_again_and_again_it_ends_with_the_same_bits(
    data, tmp_path, undisturbed, always_written
):
    """Nine of the ten kills."""
    for at in HERE[data]:
        assert killing.killed_here(data, tmp_path, at)
    killing.search(data, tmp_path)
    assert killing.result(tmp_path) == undisturbed(data)


@pytest.mark.slow
def test_a_process_that_is_killed_is_continued_with_the_same_bits(
    tmp_path, undisturbed, always_written
):
    """The tenth."""
    assert killed("shuffle", tmp_path, ("epoch", 5), signal.SIGKILL)
    killing.search("shuffle", tmp_path)
    assert killing.result(tmp_path) == undisturbed("shuffle")


@pytest.mark.slow
@pytest.mark.parametrize("data", VARIANTS)
def test_thirty_kills_of_processes_change_no_bit(data, tmp_path, undisturbed):
    rng = np.random.default_rng(VARIANTS.index(data))
    kills, searches = [], 0
    while len(kills) < 30:
        path = tmp_path / str(searches)
        at, number = killing.draw(rng), rng.choice(killing.SIGNALS)
        while killed(data, path, at, number):
            kills.append((at[0], signal.Signals(number).name))
            at = killing.draw(rng) if len(kills) < 30 else None
            number = rng.choice(killing.SIGNALS)
        assert killing.result(path) == undisturbed(data)
        searches += 1
        print(f"{data}: {len(kills)} kills of {searches} searches, all equal so far")
    counts = {kind: kills.count(kind) for kind in sorted({*kills})}
    print(f"{data}: {len(kills)} kills of {searches} searches, all equal: {counts}")
