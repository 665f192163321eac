"""Several processes train one search: one decides and writes, all hold the same."""

import json
import sys
import time

import numpy as np
import pytest

from tests import worker
from tests.models import REPLICAS
from tests.run_dir.contents import contents
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.training.workers import Workers, hashes
from tools import _launch_local as launch

slow = pytest.mark.slow
pytestmark = pytest.mark.skipif(REPLICAS != 2, reason="these are processes of one CPU")
WITHIN = 60  # seconds until the others have noticed a death


def searched(path, *searches, workers=2, **given):
    """What each worker found, the exit statuses, and the logs.

    Each of the searches has a run directory of that name, and else its own options.
    """
    path.mkdir(exist_ok=True)
    given |= {"out": str(path / "found"), "searches": [*map(in_path(path), searches)]}
    logs = [path / f"worker_{n}.log" for n in range(workers)]
    command = [sys.executable, "-m", "tests.worker", json.dumps(given)]
    started = launch.start(command, logs, chief_to_log=True)
    try:
        statuses = ended(started)
    finally:
        for process in started:
            process.kill()
    found = []
    for number in range(workers):
        file = path / f"found.{number}.json"
        found.append(json.loads(file.read_text()) if file.exists() else [])
        file.unlink(missing_ok=True)
    return found, statuses, [log.read_text() for log in logs]


def in_path(path):
    """Gives a search its model and the run directories of its workers."""

    def completed(search):
        run_dir = path / search.get("run_dir", "run")
        run_dirs = [str(run_dir), *(f"{run_dir}_{n}" for n in (1, 2))]
        return {"model": "Adam", "run_dirs": run_dirs, **search}

    return completed


def ended(processes):
    """The exit statuses; the first that fails gives the others a minute."""
    failed, deadline = None, time.monotonic() + 5 * WITHIN
    while any(process.poll() is None for process in processes):
        if time.monotonic() > deadline:
            break  # all of them hang
        if failed is None and any(process.poll() for process in processes):
            failed = time.monotonic()
        if failed is not None and time.monotonic() > failed + WITHIN:
            break
        time.sleep(0.1)
    return [process.poll() for process in processes]


PLAIN = {"rounds": 1, "watches": False, "run_dir": "plain"}
CONTROLLED = {
    "model": "drawn under the seed",
    "run_dir": "controlled",
    "more": {"replicates": 2, "controls": ["reinit"]},
    "rounds": 1,
    "epochs": {"0": 1, "1": 1},
    "watches": False,
}


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """What both workers found in one search that is watched at every step."""
    path = tmp_path_factory.mktemp("watched")
    found, statuses, logs = searched(path, {"rounds": 1})
    assert statuses == [0, 0], logs[0][-3000:] + logs[1][-3000:]
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Searches of two workers that nothing disturbs: directory, findings, logs.

    The first is watched at every step. The others take their steps in groups.
    """
    path = tmp_path_factory.mktemp("undisturbed")
    found, statuses, logs = searched(path, {}, PLAIN, CONTROLLED)
    assert statuses == [0, 0], logs[0][-3000:] + logs[1][-3000:]
    return path, found, logs


def test_all_workers_end_with_one_ticket_and_zeros_after_every_step(watched):
    (chief,), (other,) = watched
    assert chief["masks"] == other["masks"]
    for part in ("weights", "starts", "rows", "reason"):
        assert chief[part] == other[part]
    steps = 12 + (12 - 3)
    for found in (chief, other):
        assert found["watch"] == [0, 0, 2 * steps]
    assert chief["rows"][-1]["density"] < 0.8


@pytest.mark.slow
@pytest.mark.parametrize(
    "number, given", [(0, {}), (1, PLAIN)], ids=["watched", "in groups"]
)
def test_several_workers_find_what_one_device_finds(
    undisturbed, tmp_path, number, given
):
    _, (chief, _), _ = undisturbed
    one = worker.search(in_path(tmp_path)(given), 0, strategy=None)
    several = chief[number]
    assert several["masks"] == one["masks"]
    for path, weights in one["weights"].items():
        assert np.allclose(several["weights"][path], weights, atol=1e-5)
    for mine, theirs in zip(several["rows"], one["rows"], strict=True):
        assert mine.keys() == theirs.keys()
        for name in mine.keys() - {"seconds"}:
            assert mine[name] == pytest.approx(theirs[name], abs=1e-4), name


@pytest.mark.slow
def test_replicates_and_controls_are_those_of_one_device_on_all_workers(
    undisturbed, tmp_path
):
    """Fresh weights are drawn by all workers, as their variables are made by all."""
    directory, ((*_, chief), (*_, other)), _ = undisturbed
    for part in ("masks", "weights", "starts", "rows", "reason"):
        assert chief[part] == other[part]
    one = worker.search(in_path(tmp_path)(CONTROLLED), 0, strategy=None)
    assert len(chief["rows"]) == len(one["rows"]) == 2 * (2 + 1)
    for mine, theirs in zip(chief["rows"], one["rows"], strict=True):
        for name in ("replicate", "control", "draw", "round", "kept", "best_step"):
            assert mine[name] == theirs[name]
    found, expected = (
        RunDir(p / "controlled").history() for p in (directory, tmp_path)
    )
    for ours, theirs in zip(found.trainings(), expected.trainings(), strict=True):
        assert ours.ticket.masks == theirs.ticket.masks
        for path, weights in theirs.outcome.weights.items():
            assert np.allclose(ours.outcome.weights[path], weights, atol=1e-5)
    starts = {t.ticket.weights["hidden/kernel"].tobytes() for t in found.trainings()}
    assert len(starts) == len(one["rows"])


@pytest.fixture(scope="module")
def refused(undisturbed):
    """Searches of two workers that end with errors, the last of which ends them."""
    path, _, _ = undisturbed
    otherwise = {"epochs": {"1": 1}, "run_dir": "otherwise"}
    another = {"model": "momentum, global clip norm"}  # in the directory of Adam
    nan = {**CONTROLLED, "more": {}, "becomes_nan": True, "run_dir": "nan"}
    return searched(path, otherwise, another, nan), path


@pytest.mark.slow
def test_workers_that_were_started_otherwise_are_refused(refused):
    (found, _, _), _ = refused
    for said in (each[0] for each in found):
        assert "All workers must be started alike. Received: another plan" in said


@pytest.mark.slow
def test_a_chief_that_refuses_says_so_to_the_others(refused):
    ((_, chief), (_, other)), _, _ = refused[0]
    assert "compiled in another way, in 'optimizer'" in chief
    assert "The chief stopped: " in other
    assert "compiled in another way, in 'optimizer'" in other


@pytest.mark.slow
def test_a_control_that_becomes_nan_ends_all_workers(refused):
    """One worker alone would leave it out and go on, where the others have ended."""
    (found, statuses, logs), path = refused
    assert [len(each) for each in found] == [2, 2]
    assert statuses == [1, 1], "it hangs"
    for log in logs:
        assert "FloatingPointError: `loss` became NaN in control becomes_nan" in log
    rounds = RunDir(path / "nan").history()
    assert len(rounds) == 2 and not rounds.controls


def test_an_array_is_shared_once_and_only_when_it_is_read():
    class Counting(Workers):
        def __init__(self):
            self.count, self.is_chief, self.shared = 2, True, []

        def broadcast(self, content=b""):
            self.shared.append(content)
            return content

    workers = Counting()
    arrays = workers.broadcast_arrays({"a": np.arange(3, dtype="f4"), "b": np.array(2)})
    assert "a" in arrays
    assert "c" not in arrays
    assert len(workers.shared) == 1  # the names
    assert (arrays["a"] == [0, 1, 2]).all()
    assert arrays["b"].shape == ()
    assert len(workers.shared) == 1 + 2 * 2


@pytest.mark.slow
def test_only_the_chief_writes_and_speaks(undisturbed):
    path, _, (chief, other) = undisturbed
    assert (path / "run" / "ticket.safetensors").exists()
    assert not (path / "run_1").exists()
    assert "MultiWorkerMirroredStrategy on 2 replicas" in chief
    assert "round  2/2" in chief
    assert "round  2/2" not in other


@slow
@pytest.mark.parametrize("number", [0, 1])
def test_a_worker_that_dies_ends_the_others_and_the_search_goes_on(
    number, undisturbed, tmp_path
):
    whole, expected, _ = undisturbed
    found, statuses, logs = searched(tmp_path, {"dies": [number, 1]})
    assert statuses[number] == -9
    left = 1 - number
    assert statuses[left] not in (0, None), "it hangs"
    assert found == [[], []]
    if number == 1:  # of a chief that dies TensorFlow itself ends the others
        assert "lost another one" in logs[left]
        assert "continues from its run directory" in logs[left]
    again, statuses, logs = searched(tmp_path, {})
    assert statuses == [0, 0], logs[0][-3000:] + logs[1][-3000:]
    assert again[0][0]["masks"] == expected[0][0]["masks"]
    mine, theirs = contents(tmp_path / "run"), contents(whole / "run")
    assert mine.keys() == theirs.keys()
    for which in mine:
        assert mine[which]["masks"] == theirs[which]["masks"]
        assert mine[which]["arrays"] == theirs[which]["arrays"]


@pytest.mark.slow
def test_a_worker_with_another_mask_stops_the_search_on_all(tmp_path):
    found, statuses, logs = searched(tmp_path, {}, spoils=1)
    assert found == [[], []]
    assert 0 not in statuses
    for log in logs:
        assert "'hidden/kernel' on replica 1 (worker 1)" in log


RECIPE = """
from tests.models import arrays, compiled, tiny
from tf_lottery import Data, Plan

PLAN = Plan(rounds=1, epochs=2)

def model():
    return compiled(tiny())

def dataset(seed):
    return Data(arrays(), arrays(32, 1))
"""


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["find", "recipe.py"], "Put -- before"),
        (["--", "show", "run"], "Only `find`"),
        (["--", "find", "recipe.py", "--strategy=tpu"], "omit --strategy"),
        (["--workers", "0", "--", "find", "recipe.py"], "at least 1"),
    ],
)
def test_launch_local_says_what_it_cannot_run(arguments, said, capsys):
    with pytest.raises(SystemExit):
        launch.main(arguments)
    assert said in capsys.readouterr().err


@slow
def test_launch_local_runs_a_command_on_local_workers(tmp_path, capfd):
    recipe = tmp_path / "recipe.py"
    recipe.write_text(RECIPE)
    command = ["find", str(recipe), f"--run_dir={tmp_path / 'run'}"]
    assert launch.main(["--workers", "2", "--", *command]) == 0
    printed = capfd.readouterr().out
    assert "MultiWorkerMirroredStrategy on 2 replicas" in printed
    assert printed.count("run directory  ") == 1
    assert (tmp_path / "run" / "accuracy.png").exists()
    assert launch.main(["--workers", "2", "--", *command, "--epochs=3"]) != 0
    assert "`--overwrite`" in capfd.readouterr().err


@slow
@pytest.mark.parametrize("model", worker.MODELS)
def test_three_workers(model, tmp_path):
    found, statuses, logs = searched(tmp_path, {"model": model}, workers=3)
    assert statuses == [0, 0, 0], "".join(log[-2000:] for log in logs)
    assert len({each["masks"] for (each,) in found}) == 1
    assert all(each["watch"][:2] == [0, 0] for (each,) in found)


def test_hashes_tell_masks_apart():
    one = {"a": np.ones((3, 3), bool), "b": np.zeros(5, bool)}
    other = {**one, "b": np.array([0, 0, 1, 0, 0], bool)}
    assert hashes(one)[0] == hashes(other)[0]
    assert hashes(one)[1] != hashes(other)[1]
