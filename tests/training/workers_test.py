"""Several processes train one search: one decides and writes, all hold the same."""

import json
import sys
import time

import numpy as np
import pytest

from tests import worker
from tests.models import REPLICAS
from tests.search.contents import contents
from tf_lottery.search.store import Store
from tf_lottery.training.workers import Workers, hashes
from tools import _launch_local as launch

slow = pytest.mark.slow
pytestmark = pytest.mark.skipif(REPLICAS != 2, reason="these are processes of one CPU")
WITHIN = 60  # seconds until the others have noticed a death


def searched(path, workers=2, model="Adam", run_dir="run", **given):
    """What each worker found, the exit statuses, the logs, and the seconds."""
    path.mkdir(exist_ok=True)
    run_dirs = [
        str(path / (f"{run_dir}_{n}" if n else run_dir)) for n in range(workers)
    ]
    given |= {"out": str(path / "found"), "model": model, "run_dirs": run_dirs}
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
        found.append(json.loads(file.read_text()) if file.exists() else None)
    return found, statuses, [log.read_text() for log in logs]


def ended(processes):
    """The exit statuses; the first that fails gives the others a minute."""
    failed = None
    while any(process.poll() is None for process in processes):
        if failed is None and any(process.poll() for process in processes):
            failed = time.monotonic()
        if failed is not None and time.monotonic() > failed + WITHIN:
            break
        time.sleep(0.1)
    return [process.poll() for process in processes]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A search of two workers that nothing disturbs; its directory and findings."""
    path = tmp_path_factory.mktemp("undisturbed")
    found, statuses, logs = searched(path, plain=True)
    assert statuses == [0, 0], logs[0][-3000:] + logs[1][-3000:]
    return path, found, logs


def test_all_workers_end_with_one_ticket_and_zeros_after_every_step(undisturbed):
    _, (chief, other), _ = undisturbed
    assert chief["masks"] == other["masks"]
    for part in ("weights", "starts", "rows", "reason"):
        assert chief[part] == other[part]
    steps = 18 + 2 * (18 - 3)
    for found in (chief, other):
        assert found["watch"] == [0, 0, 2 * steps]
    assert chief["rows"][-1]["density"] < 0.6


@pytest.mark.parametrize("watches", [True, False])
def test_several_workers_find_what_one_device_finds(undisturbed, tmp_path, watches):
    _, (chief, _), _ = undisturbed
    given = {"model": "Adam", "run_dirs": [str(tmp_path / "one")], "watches": watches}
    one = worker.search(given, 0, strategy=None)
    several = chief if watches else chief["plain"]
    assert several["masks"] == one["masks"]
    for path, weights in one["weights"].items():
        assert np.allclose(several["weights"][path], weights, atol=1e-5)
    for mine, theirs in zip(several["rows"], one["rows"], strict=True):
        assert mine.keys() == theirs.keys()
        for name in mine.keys() - {"seconds"}:
            assert mine[name] == pytest.approx(theirs[name], abs=1e-4), name


def test_replicates_and_controls_are_those_of_one_device_on_all_workers(tmp_path):
    """Fresh weights are drawn by all workers, as their variables are made by all."""
    model = "drawn under the seed"
    more = {"replicates": 2, "controls": ["reinit"], "control_rounds": [2]}
    given = {"more": more, "epochs": {"0": 1, "1": 1}, "watches": False}
    (chief, other), statuses, logs = searched(tmp_path, model=model, **given)
    assert statuses == [0, 0], logs[0][-3000:] + logs[1][-3000:]
    for part in ("masks", "weights", "starts", "rows", "reason"):
        assert chief[part] == other[part]
    given |= {"model": model, "run_dirs": [str(tmp_path / "one")]}
    one = worker.search(given, 0, strategy=None)
    assert len(chief["rows"]) == len(one["rows"]) == 2 * (3 + 1)
    for mine, theirs in zip(chief["rows"], one["rows"], strict=True):
        for name in ("replicate", "control", "draw", "round", "kept", "best_step"):
            assert mine[name] == theirs[name]
    found, expected = (Store(tmp_path / n).history() for n in ("run", "one"))
    for ours, theirs in zip(found.trainings(), expected.trainings(), strict=True):
        assert ours.ticket.masks == theirs.ticket.masks
        for path, weights in theirs.outcome.weights.items():
            assert np.allclose(ours.outcome.weights[path], weights, atol=1e-5)
    starts = {t.ticket.weights["hidden/kernel"].tobytes() for t in found.trainings()}
    assert len(starts) == len(one["rows"])


def test_workers_that_were_started_otherwise_are_refused(tmp_path):
    found, statuses, logs = searched(tmp_path, epochs={"1": 2})
    assert found == [None, None]
    assert 0 not in statuses
    for log in logs:
        assert "All workers must be started alike. Received: another plan" in log


def test_an_array_is_shared_once_and_only_when_it_is_read():
    class Counting(Workers):
        def __init__(self):
            self.count, self.is_chief, self.shared = 2, True, []

        def share(self, content=b""):
            self.shared.append(content)
            return content

    workers = Counting()
    arrays = workers.share_arrays({"a": np.arange(3, dtype="f4"), "b": np.array(2)})
    assert "a" in arrays
    assert "c" not in arrays
    assert len(workers.shared) == 1  # the names
    assert (arrays["a"] == [0, 1, 2]).all()
    assert arrays["b"].shape == ()
    assert len(workers.shared) == 1 + 2 * 2


def test_only_the_chief_writes_and_speaks(undisturbed):
    path, _, (chief, other) = undisturbed
    assert (path / "run" / "ticket.npz").exists()
    assert not (path / "run_1").exists()
    assert "MultiWorkerMirroredStrategy on 2 replicas" in chief
    assert "round  2/2" in chief
    assert "round  2/2" not in other


@pytest.mark.parametrize("number", [1, pytest.param(0, marks=slow)])
def test_a_worker_that_dies_ends_the_others_and_the_search_goes_on(
    number, undisturbed, tmp_path
):
    whole, expected, _ = undisturbed
    found, statuses, logs = searched(tmp_path, dies=[number, 1])
    assert statuses[number] == -9
    left = 1 - number
    assert statuses[left] not in (0, None), "it hangs"
    assert found == [None, None]
    if number == 1:  # of a chief that dies TensorFlow itself ends the others
        assert "lost another one" in logs[left]
        assert "continues from its run directory" in logs[left]
    again, statuses, logs = searched(tmp_path)
    assert statuses == [0, 0], logs[0][-3000:] + logs[1][-3000:]
    assert again[0]["masks"] == expected[0]["masks"]
    mine, theirs = contents(tmp_path / "run"), contents(whole / "run")
    assert mine.keys() == theirs.keys()
    for which in mine:
        assert mine[which]["masks"] == theirs[which]["masks"]
        assert mine[which]["arrays"] == theirs[which]["arrays"]


def test_a_chief_that_refuses_says_so_to_the_others(undisturbed):
    path, _, _ = undisturbed
    _, statuses, (chief, other) = searched(path, model="momentum, global clip norm")
    assert 0 not in statuses
    assert None not in statuses
    assert "another optimizer" in chief
    assert "The chief stopped: " in other
    assert "another optimizer" in other


def test_a_worker_with_another_mask_stops_the_search_on_all(tmp_path):
    found, statuses, logs = searched(tmp_path, spoils=1)
    assert found == [None, None]
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
    found, statuses, logs = searched(tmp_path, 3, model)
    assert statuses == [0, 0, 0], "".join(log[-2000:] for log in logs)
    assert len({each["masks"] for each in found}) == 1
    assert all(each["watch"][:2] == [0, 0] for each in found)


def test_hashes_tell_masks_apart():
    one = {"a": np.ones((3, 3), bool), "b": np.zeros(5, bool)}
    other = {**one, "b": np.array([0, 0, 1, 0, 0], bool)}
    assert hashes(one)[0] == hashes(other)[0]
    assert hashes(one)[1] != hashes(other)[1]
