"""JAX: trainings side by side are those that are trained one after another.

On a CPU even their bits are equal, so the tests need no tolerance.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import filelock
import jax
import keras
import numpy as np
import pytest

from tests.bindings.keras3 import killing, models
from tests.bindings.keras3.models import BACKEND
from tf_lottery import Plan, Trainer, find_ticket
from tf_lottery.core import pausing
from tf_lottery.core.errors import PlanMismatchError
from tf_lottery.run_dir.cache import Cache, counted
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.search import leaving
from tf_lottery.training import checkpoint

if BACKEND != "jax":
    pytest.skip("The engine of JAX.", allow_module_level=True)

from tf_lottery.bindings.keras3.engines.jax_lanes import Lanes

pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket|A training")
SEARCH = {
    "rounds": 2,
    "steps": 9,  # seven in a pass: its last batch is smaller, and an epoch ends within
    "evaluate_every": 2,
    "rewind_to": 3,
    "batch_size": 16,
    "replicates": 3,
    "controls": ["reinit", "shuffle"],
    "control_rounds": [2],
}
DATA = models.arrays(104)
PARTS = {
    "validation_data": models.arrays(40, seed=1),
    "test_data": models.arrays(40, seed=2),
}


def search(path, model=models.with_state, **more):
    given = {**SEARCH, **PARTS, "run_dir": path, "verbose": 0, **more}
    return find_ticket(model(), DATA, **given)


def files(path):
    """What a run directory holds, but for keys: they hold how many share a program."""
    found = killing.files(path)
    for content in found.values():
        if isinstance(content, dict):
            content.pop("key", None)
    return found


def metrics(ticket):
    history = ticket.history
    found = [*sum(history.replicates, ()), *history.controls]
    return [
        (r.number, r.replicate, r.control, r.draw, r.outcome.metrics, r.outcome.curves)
        for r in found
    ]


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return models.arrays(16, seed=index)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    path = tmp_path_factory.mktemp("alone")
    return search(path), files(path)


@pytest.fixture
def programs(monkeypatch):
    """How many trainings each program took steps for."""
    seen, taken = [], Lanes._taken_steps

    def counted(self, asked):
        seen.append(len(asked))
        return taken(self, asked)

    monkeypatch.setattr(Lanes, "_taken_steps", counted)
    return seen


@pytest.mark.parametrize("together", [2, 3])
def test_a_search_side_by_side_is_that_of_one_after_another(
    expected, tmp_path, together
):
    ticket, written = expected
    found = search(tmp_path, together=together)
    assert files(tmp_path) == written
    assert metrics(found) == metrics(ticket)
    assert found.masks == ticket.masks


def averaged():
    return models.with_state(optimizer=keras.optimizers.Adam(0.01, use_ema=True))


def test_averages_of_weights_are_those_of_the_lane(tmp_path):
    given = {"model": averaged, "controls": [], "control_rounds": None}
    one, two = (search(tmp_path / str(n), together=n, **given) for n in (1, 3))
    assert metrics(one) == metrics(two)


def test_another_plan_has_lanes_of_its_own():
    trainer = Trainer(models.with_state(), DATA, Plan(steps=9), **PARTS)
    other = trainer.with_plan(Plan(steps=9, replicates=3, together=3))
    assert other.side_by_side.chosen().number == 3


def test_trainings_share_their_programs(tmp_path, programs):
    search(tmp_path / "three", together=3)
    # One that is evaluated once more than the others is apart from them for a group.
    assert np.mean(programs) > 2


def test_a_search_that_was_stopped_goes_on_with_the_same_bits(
    expected, tmp_path, monkeypatch, programs
):
    monkeypatch.setattr(checkpoint, "_SHARE", np.inf)
    counted = Lanes._taken_steps
    for stop in (7, 20, 12):
        most = len(programs) + stop

        def stopping(self, asked, most=most):
            if len(programs) >= most:
                raise KeyboardInterrupt
            return counted(self, asked)

        monkeypatch.setattr(Lanes, "_taken_steps", stopping)
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path, together=3)
    monkeypatch.setattr(Lanes, "_taken_steps", counted)
    search(tmp_path)  # the number is in the run directory
    assert files(tmp_path) == expected[1]


@pytest.mark.slow
def test_a_search_goes_on_after_ctrl_c_was_pressed_twice(
    expected, tmp_path, monkeypatch, programs
):
    counted, note = Lanes._taken_steps, leaving.note
    noted = []

    def press():
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(0.1)

    def stopping(self, asked):
        if len(programs) == 15:
            press()
        return counted(self, asked)

    def ends(error, what, step):
        noted.append(what)
        press()
        note(error, what, step)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "_SHARE", np.inf)
        patched.setattr(Lanes, "_taken_steps", stopping)
        patched.setattr(leaving, "note", ends)
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path, together=3)
    assert len(noted) == 3
    search(tmp_path)
    assert files(tmp_path) == expected[1]


def test_another_number_is_another_search(tmp_path):
    search(tmp_path, together=2, controls=[], control_rounds=None)
    with pytest.raises(PlanMismatchError, match="`together` is 2 there and 3 here"):
        search(tmp_path, together=3, controls=[], control_rounds=None)


def test_fewer_that_fit_are_said_and_kept(tmp_path, monkeypatch, capsys):
    given = {"together": 3, "controls": [], "control_rounds": None}
    monkeypatch.setattr(Lanes, "most", lambda self: 2)
    search(tmp_path, verbose=2, rounds=1, **given)
    assert "Up to 2 trainings share a program" in capsys.readouterr().out
    monkeypatch.setattr(Lanes, "most", lambda self: 1)
    search(tmp_path, rounds=2, **given)
    assert RunDir(tmp_path).together() == (3, 2)


def test_an_error_of_the_device_says_round_and_steps(tmp_path, programs, monkeypatch):
    counted = Lanes._taken_steps

    def failing(self, asked):
        if len(programs) == 8:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: no memory")
        return counted(self, asked)

    monkeypatch.setattr(Lanes, "_taken_steps", failing)
    where = r"of round 1 of replicate \d failed in steps? \d.*no memory"
    with pytest.raises(RuntimeError, match=where):
        search(tmp_path, together=3)


@pytest.mark.slow
def test_a_search_side_by_side_takes_what_another_one_trained(
    expected, tmp_path, programs
):
    shared = {"share_with": tmp_path, "together": 3}
    search(tmp_path / "one", **shared)
    assert files(tmp_path / "one") == expected[1]
    programs.clear()
    search(tmp_path / "two", **shared)
    assert files(tmp_path / "two") == expected[1]
    assert not programs


def test_a_training_that_waits_for_another_search_does_not_stop_those_beside_it(
    expected, tmp_path, monkeypatch
):
    search(tmp_path / "one", together=3, controls=[], control_rounds=None)
    metrics = tmp_path / "one/replicate_1/round_00/metrics.json"
    key = json.loads(metrics.read_text())["key"]
    other = filelock.FileLock(Cache(tmp_path).path / f"{key}.lock")
    finished = []

    def ends():
        """Called when all trainings of the search wait."""
        found = tmp_path.glob("two/replicate_*/round_*/metrics.json")
        finished.extend(sorted(path.parts[-3][-1] for path in found))
        other.release()

    monkeypatch.setattr(pausing, "sleep", ends)
    with other:
        search(tmp_path / "two", together=3, share_with=tmp_path)
    assert finished == ["0"] * 3 + ["2"] * 3
    assert files(tmp_path / "two") == expected[1]


AT_ONCE = """
import sys
from tests.bindings.keras3 import lanes_test
lanes_test.search(sys.argv[1], together=3, share_with=sys.argv[2])
"""


@pytest.mark.slow
def test_searches_at_once_that_share_train_side_by_side(expected, tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    runs = [tmp_path / name for name in ("one", "two")]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", AT_ONCE, run, tmp_path], env=environment
        )
        for run in runs
    ]
    assert [each.wait(300) for each in processes] == [0, 0]
    assert [files(run) for run in runs] == [expected[1]] * 2
    # Three replicates have three rounds and two controls each.
    assert counted(tmp_path) == (15, 30)


def test_auto_trains_one_after_another_where_searches_share():
    """Otherwise what is measured would decide whether trainings are equal."""
    trainer = Trainer(models.with_state(), DATA, Plan(steps=9, replicates=3), **PARTS)
    trainer._prepared.devices.on_cpu = False
    number, why = trainer.side_by_side.chosen(shares=True)
    assert number == 1
    assert "searches share only trainings of one number" in why


def test_a_lane_does_not_depend_on_what_the_others_hold():
    plan = Plan(steps=9, evaluate_every=3, batch_size=16)
    trainer = Trainer(models.with_state(), DATA, plan, **PARTS)
    others = [trainer.with_plan(Plan(**{**vars(plan), "seed": s})) for s in (1, 2)]

    def train(each):
        yield each.plan.seed, each.train(each.dense())

    def trained(trainers):
        return dict(trainer.side_by_side.run(map(train, trainers), 3))

    every, alone = trained([*others, trainer]), trained([trainer])
    assert models.equal(dict(every[0].weights), dict(alone[0].weights))
    assert every[0].curves == alone[0].curves


@pytest.mark.parametrize(
    "more, why",
    [
        ({"callbacks": [keras.callbacks.Callback()]}, "callbacks see one training"),
        ({"dataset": lambda seed: models.arrays(64, seed)}, "a function of the seed"),
        ({"validation_data": Batches()}, "not arrays that fit"),
    ],
)
def test_what_cannot_share_a_program_is_refused_before_training(
    tmp_path, monkeypatch, more, why
):
    monkeypatch.chdir(tmp_path)
    given = {"dataset": DATA, **SEARCH, **PARTS, **more, "run_dir": tmp_path / "run"}
    with pytest.raises(ValueError, match=f"`together` must be 1 .*{why}"):
        find_ticket(models.with_state(), together=2, verbose=0, **given)
    assert not (tmp_path / "run").exists()


def test_auto_trains_one_after_another_on_a_cpu_and_says_so(tmp_path, capsys):
    search(tmp_path, verbose=2, controls=[], control_rounds=None)
    assert "as a CPU gains nothing" in capsys.readouterr().out


def test_a_failing_control_is_left_out_and_the_others_are_trained(tmp_path):
    def spoiled(ticket, context):
        state = {p: np.full_like(w, 1e38) for p, w in ticket.weights.items()}
        return type(ticket)(ticket.masks, {**ticket.state, **state}, round=ticket.round)

    with pytest.warns(UserWarning, match="A control is left out"):
        found = search(
            tmp_path, together=4, controls=["reinit", spoiled], control_rounds=[2]
        )
    assert {each.control for each in found.history.controls} == {"reinit"}
    assert len(found.history.controls) == 3


DEVICES = """
import os
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
import sys, jax, numpy as np
from tests.bindings.keras3 import lanes_test
from tf_lottery.run_dir.run_dir import RunDir
assert len(jax.local_devices()) == 2
one = lanes_test.search(sys.argv[1] + "/one")
two = lanes_test.search(sys.argv[1] + "/two", together=3)
pairs = zip(*(each.history.replicates for each in (one, two)))
for mine, theirs in pairs:
    for a, b in zip(mine, theirs):
        for path, weights in a.outcome.weights.items():
            np.testing.assert_allclose(weights, b.outcome.weights[path], atol=1e-4)
found = RunDir(sys.argv[1] + "/two").manifest()["devices"]
assert found == "one device (CPU), trainings divided among 2", found
print("equal")
"""


@pytest.mark.slow
def test_lanes_are_divided_among_devices(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", DEVICES, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split()[-1:] == ["equal"], done.stderr[-3000:]


def test_auto_trains_one_after_another_where_a_step_cannot_be_batched(monkeypatch):
    trainer = Trainer(models.with_state(), DATA, Plan(steps=9, replicates=3), **PARTS)
    trainer._prepared.devices.on_cpu = False

    def fails(self, examples, width):
        raise NotImplementedError("no batching rule")

    monkeypatch.setattr(Lanes, "seconds", fails)
    number, why = trainer.side_by_side.chosen()
    assert number == 1
    assert "NotImplementedError when 3 shared a program" in why
