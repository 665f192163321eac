"""The benchmarks compare what they say, and the guard fails where a ratio is worse."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from absl.testing import flagsaver

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / "tools"
TABLE = {"tolerance": 0.25, "measured_on": {}, "ratios": {"step, jax": 0.8}}


@pytest.fixture(scope="module")
def tool():
    """A module of the tools, by name; the flags that it defines are taken back."""
    with flagsaver.flagsaver(), pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(TOOLS)
        yield importlib.import_module


def test_a_ratio_within_the_tolerance_passes(tool):
    assert tool("_guard").worse({"step, jax": 1.0}, TABLE) == []


def test_a_ratio_that_is_worse_fails_with_one_line(tool):
    (line,) = tool("_guard").worse({"step, jax": 1.01}, TABLE)
    assert line.startswith(
        "step, jax: 1.010 is worse than 1.000, which is the committed 0.800 and 25%."
    )


def test_a_ratio_that_nobody_committed_fails(tool):
    (line,) = tool("_guard").worse({"step, torch": 0.1}, TABLE)
    assert line.startswith("step, torch: 0.100, and the table has no such ratio.")


def test_an_update_changes_what_was_measured_alone(tool, tmp_path):
    path = tmp_path / "table.json"
    tool("_guard").write(path, TABLE, {"step, torch": 1.23456})
    written = tool("_guard").read(path)
    assert written["ratios"] == {"step, jax": 0.8, "step, torch": 1.235}
    assert written["tolerance"] == 0.25
    assert written["measured_on"]["packages"]


def test_the_committed_table_has_each_part_of_the_guard(tool):
    guard = tool("_guard")
    ratios = guard.read(TOOLS / "bench_table.json")["ratios"]
    for part in guard.PARTS:
        assert any(name.startswith(part) for name in ratios), part


def test_variants_take_turns_and_the_first_call_is_not_counted(tool):
    calls = []

    def variant(name):
        def run():
            calls.append(name)
            return float(calls.count(name))

        return run

    times = tool("_bench").interleaved({n: variant(n) for n in "abc"}, 2, seed=0)
    assert times == {name: [2.0, 3.0] for name in "abc"}
    assert [sorted(calls[n : n + 3]) for n in (0, 3, 6)] == [["a", "b", "c"]] * 3


def test_a_section_of_a_file_is_replaced_between_its_marks(tool, tmp_path):
    path = tmp_path / "page.md"
    path.write_text("above\n<!-- peers -->\nold\n<!-- /peers -->\nbelow\n")
    tool("_bench").replace_section(path, "peers", "new")
    assert path.read_text() == "above\n<!-- peers -->\nnew\n<!-- /peers -->\nbelow\n"
    with pytest.raises(ValueError, match="must have <!-- growth -->"):
        tool("_bench").replace_section(path, "growth", "new")


def test_a_section_has_the_table_its_lines_and_what_it_was_measured_on(tool):
    rows = [{"who": "ours", "to fits": (0.5, 0.25, 0.75)}]
    found = {"title": "A search", "rows": rows, "lines": {"bar": "met"}}
    text = tool("_bench").section(found, "2 repeats, seeds 0 to 1")
    assert text.startswith(
        "A search:\n\n| who | to fits |\n| --- | --- |\n"
        "| ours | 0.500 [0.250, 0.750] |\n\n- bar: met\n\n    "
    )
    assert "numpy " in text and text.endswith("2 repeats, seeds 0 to 1.")


def test_ratios_are_of_one_repeat_and_lanes_are_told_per_replicate(tool):
    who, peers = tool("_contestants"), tool("_peers")
    jax = "Keras 3 on jax"
    ours, lanes = who.ours_of(jax), who.ours_of(jax, lanes=True)
    seconds = {ours: (1, 4), lanes: (5, 20), who.fits_of(jax): (2, 8)}
    rounds = [(1.0, 0.9), (0.8, 0.91)]
    runs = {
        name: [
            {"wall": s, "rounds": rounds if "fits" not in name else [(1.0, 0.9)] * 2}
            for s in each
        ]
        for name, each in seconds.items()
    }
    by_name = peers.seconds_of(runs, "wall", lanes=10)
    assert by_name[lanes] == [0.5, 2.0]
    rows = {row["who"]: row for row in peers.table(runs, by_name)}
    assert rows[ours]["to its fits"] == (0.5, 0.5, 0.5)
    assert rows[lanes]["to its fits"] == (0.25, 0.25, 0.25)
    assert rows[ours]["accuracy at 80.0%"] == "91.00 ± 0.00"
    assert rows[who.fits_of(jax)]["accuracy at 80.0%"] == ""
    assert peers.bars(by_name) == {
        f"{ours} to {who.fits_of(jax)}": "0.500, target at most 0.650: met"
    }


def test_exponents_are_those_of_the_time(tool):
    """Where the time is known."""
    growth, who = tool("_growth"), tool("_contestants")

    def measure(name, task):
        trainings = (task.rounds + 1) * task.replicates
        return {"wall": 3.0 * trainings * task.weights**0.5 * task.rows**0.1}

    found = growth.grown(who.Task(1, 100, 50), 2, "wall", measure)
    exponents = {
        (row["who"], row["what grows"]): row["exponent [95 %]"] for row in found["rows"]
    }
    expected = {
        "trainings": 1,
        "replicates": 1,
        "weights": 0.5,
        "rows of the data": 0.1,
    }
    assert len(exponents) == 2 * len(expected)
    for (_, axis), (slope, low, high) in exponents.items():
        assert (slope, low, high) == pytest.approx([expected[axis]] * 3, abs=1e-6)


def run(tool, *arguments):
    """A tool in a process of its own."""
    return subprocess.run(
        [sys.executable, TOOLS / tool, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_all_contestants_do_the_same_search(tmp_path):
    """They find equal densities and close accuracies, and the table has ratios."""
    pytest.importorskip("torch")
    page, output = tmp_path / "page.md", tmp_path / "found.json"
    page.write_text("<!-- peers -->\n<!-- /peers -->\n")
    length = ("--rounds=1", "--steps=20", "--evaluate_every=10", "--repeats=1")
    done = run(
        "bench_peers.py", *length, "--lanes=2", f"--write={page}", f"--output={output}"
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(output.read_text())
    searches = {
        name: runs[0]["rounds"]
        for name, runs in found["runs"].items()
        if not name.startswith("fits")
    }
    assert len(searches) >= 6
    for rounds in searches.values():
        assert [density for density, _ in rounds] == pytest.approx([1, 0.80038], 1e-4)
        assert all(0.5 < accuracy < 0.95 for _, accuracy in rounds)
    assert page.read_text().count("\n| ") == len(found["rows"]) + 2
    assert "tools/bench_peers.py --rounds=1" in page.read_text()


@pytest.mark.slow
def test_the_guard_measures_and_fails_where_a_ratio_is_worse(tmp_path):
    table = tmp_path / "table.json"
    table.write_text(json.dumps({**TABLE, "ratios": {"search, tf_keras": 1e-3}}))
    small = (f"--table={table}", "--turns=2", "--repeats=1", "--steps=100")
    parts = ("--parts=search, tf_keras",)
    failed = run("_guard.py", *small, *parts, "--check")
    assert failed.returncode == 1
    assert "search, tf_keras: " in failed.stderr.splitlines()[-1]
    updated = run("_guard.py", *small, "--parts=step, jax", *parts, "--update")
    assert updated.returncode == 0, updated.stderr[-3000:]
    ratios = json.loads(table.read_text())["ratios"]
    assert 0.1 < ratios["step, jax"] < 10
    assert 0.1 < ratios["search, tf_keras"] < 10
