"""Killed and called again, a search ends as if nothing had happened, bit for bit.

Each attempt has a new model, a new dataset and a new trainer, as a new process
has. The model has Dropout and BatchNorm, and tickets rewind to a step within an
epoch.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.fakes import Killed
from tests.models import (
    BATCH,
    FEATURES,
    arrays,
    batches,
    compiled,
    equal,
    keras,
    layers,
    tiny,
    with_state,
)
from tests.training.trainings import (
    Kill,
    assert_same_rounds,
    overwrite,
    shuffled,
    slices,
)
from tf_lottery import find_ticket
from tf_lottery.training import checkpoint, trouble
from tf_lottery.training.one_training import OneTraining

slow = pytest.mark.slow
pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket matches|Without")


DATA = {
    "arrays": lambda: (arrays(), {"batch_size": BATCH}),
    "shuffle": lambda: (shuffled(), {}),
    "endless": lambda: (slices().batch(BATCH).repeat(), {"steps_per_epoch": 5}),
    "short epochs": lambda: (shuffled(), {"steps_per_epoch": 4}),
    "long epochs": lambda: (shuffled(), {"steps_per_epoch": 9}),
}
POINTS = {
    "in the first epoch": (0, "on_train_batch_end", 2),
    "in an epoch": (1, "on_train_batch_end", 3),
    "at an epoch's end": (1, "on_epoch_end", 1),
    "at an epoch's begin": (1, "on_epoch_begin", 2),
    "at a training's end": (1, "on_train_end"),
    "between rounds": (2, "on_train_begin"),
}


def search(data, run_dir, *kill, **arguments):
    """A search in a directory; with `kill`, it ends there."""

    def callbacks(round, replicate, control):
        return [Kill(*kill[1:])] if kill and round == kill[0] else []

    arguments = {"callbacks": callbacks, "verbose": 0} | arguments
    model = compiled(with_state())  # sets the global seed, which a shuffle mixes in
    dataset, more = DATA[data]()
    plan = {"epochs": 3, "rewind_to": 4, "evaluate_every": 5} | more | arguments
    try:
        return find_ticket(
            model,
            dataset,
            2,
            validation_data=batches(32, 1),
            run_dir=run_dir,
            **plan,
        )
    except Killed:
        return None


_undisturbed = {}


@pytest.fixture
def undisturbed(tmp_path_factory):
    """The result of a search that ran in one piece, made once."""

    def result(data, **arguments):
        key = data, *arguments.items()
        if key not in _undisturbed:
            path = tmp_path_factory.mktemp("undisturbed")
            _undisturbed[key] = search(data, path, **arguments)
        return _undisturbed[key]

    return result


def assert_same(mine, theirs):
    assert_same_rounds(mine.history, theirs.history)


QUICK = {
    ("arrays", "in an epoch"),
    ("shuffle", "in an epoch"),
    ("shuffle", "at a training's end"),
    ("shuffle", "between rounds"),
    ("endless", "between rounds"),
    ("short epochs", "between rounds"),
}
CASES = [
    pytest.param(data, point, marks=[] if (data, point) in QUICK else slow)
    for data in DATA
    for point in POINTS
]


@pytest.mark.first_case
@pytest.mark.parametrize("data, point", CASES)
def test_killed_and_resumed_equals_undisturbed(
    data, point, undisturbed, always_written, tmp_path
):
    assert search(data, tmp_path, *POINTS[point]) is None
    assert_same(search(data, tmp_path), undisturbed(data))


@pytest.mark.slow
@pytest.mark.first_case
@pytest.mark.parametrize(
    "point", ["in an epoch", pytest.param("between rounds", marks=slow)]
)
def test_a_search_without_checkpoints_resumes_from_the_round(
    point, undisturbed, monkeypatch, tmp_path
):
    monkeypatch.setattr(checkpoint, "_SHARE", -1.0)
    assert search("shuffle", tmp_path, *POINTS[point]) is None
    assert_same(search("shuffle", tmp_path), undisturbed("shuffle"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "retrain", [pytest.param("lr_rewind", marks=slow), "fine_tune"]
)
def test_other_ways_to_retrain_resume_too(
    retrain, undisturbed, always_written, tmp_path
):
    plan = {"retrain": retrain, "rewind_to": 0}
    assert search("shuffle", tmp_path, *POINTS["at an epoch's begin"], **plan) is None
    assert_same(search("shuffle", tmp_path, **plan), undisturbed("shuffle", **plan))


@pytest.mark.slow
@pytest.mark.first_case
@pytest.mark.parametrize("damaged", ["checkpoint", "checkpoint_next"])
def test_a_training_whose_checkpoint_is_damaged_begins_again(
    damaged, undisturbed, always_written, tmp_path
):
    assert search("shuffle", tmp_path, 0, "on_epoch_begin", 2) is None
    path = tmp_path / f"replicate_0/round_00/{damaged}.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(UserWarning, match=r"checkpoint.*begins again"):
        found = search("shuffle", tmp_path)
    assert_same(found, undisturbed("shuffle"))


@slow
def test_a_search_killed_twice_resumes_twice(undisturbed, always_written, tmp_path):
    for point in ("in the first epoch", "at a training's end"):
        assert search("shuffle", tmp_path, *POINTS[point]) is None
    assert_same(search("shuffle", tmp_path), undisturbed("shuffle"))


@pytest.mark.slow
def test_a_checkpoint_before_the_first_validation_pass_resumes(
    undisturbed, always_written, tmp_path
):
    plan = {"evaluate_every": 10}
    kill = (0, "on_epoch_begin", 1)
    assert search("arrays", tmp_path, *kill, **plan) is None
    assert_same(search("arrays", tmp_path, **plan), undisturbed("arrays", **plan))


def test_a_round_goes_on_from_its_last_epoch(always_written, tmp_path):
    epochs = []

    class Epochs(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            epochs.append(epoch)

    def run(*callbacks):
        return find_ticket(
            compiled(tiny()),
            arrays(),
            1,
            epochs=4,
            validation_data=arrays(32, 1),
            run_dir=tmp_path,
            callbacks=[Epochs(), *callbacks],
            verbose=0,
        )

    with pytest.raises(Killed):
        run(Kill("on_epoch_begin", 2))
    assert (tmp_path / "replicate_0/round_00/checkpoint.safetensors").exists()
    epochs.clear()
    run()
    assert epochs == [2, 3, 0, 1, 2, 3]
    assert not list(tmp_path.rglob("checkpoint.safetensors"))


@pytest.mark.slow
def test_a_finished_search_trains_nothing(tmp_path, monkeypatch):
    first = search("arrays", tmp_path)
    monkeypatch.setattr(keras.Model, "train_step", None)
    again = search("arrays", tmp_path)
    assert_same(again, first)
    assert again.masks == first.masks


@pytest.mark.slow
def test_a_search_can_be_made_longer(tmp_path):
    def run(rounds, path):
        return find_ticket(
            compiled(tiny()),
            shuffled(),
            rounds,
            epochs=2,
            validation_data=arrays(32, 1),
            run_dir=path,
            verbose=0,
        )

    run(1, tmp_path / "a")
    assert_same(run(3, tmp_path / "a"), run(3, tmp_path / "b"))


def test_what_was_finished_before_a_nan_is_resumable(tmp_path):
    class Poison(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.model.get_layer(index=-1).bias.assign([np.nan] * 3)

    def run(**callbacks):
        return find_ticket(
            compiled(tiny()),
            arrays(),
            2,
            validation_data=arrays(32, 1),
            run_dir=tmp_path / "a",
            verbose=0,
            **callbacks,
        )

    def callbacks(round, replicate, control):
        return [Poison()] if round == 2 else []

    with pytest.raises(FloatingPointError, match="round 2"):
        run(callbacks=callbacks)
    kept = (tmp_path / "a/replicate_0/round_01/metrics.json").read_bytes()
    assert len(run().history) == 3
    assert (tmp_path / "a/replicate_0/round_01/metrics.json").read_bytes() == kept


class Spoil(keras.callbacks.Callback):
    """Spoils a weight at the end of the first epoch, before a validation pass."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def on_epoch_end(self, epoch, logs=None):
        kernel = self.model.get_layer(index=-1).kernel
        if epoch == 0:
            overwrite(kernel, self.value)


@pytest.mark.slow
@pytest.mark.first_case
@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (np.nan, FloatingPointError, "NaN or infinite in round 1 by step 6"),
        (1.0, RuntimeError, "nonzero in round 1 by step 6"),
    ],
)
def test_a_checkpoint_is_not_written_of_what_a_callback_spoiled(
    value, error, message, always_written, undisturbed, tmp_path
):
    def callbacks(round, replicate, control):
        return [Spoil(value)] if round == 1 else []

    with pytest.raises(error, match=message):
        search("arrays", tmp_path, evaluate_every=9, callbacks=callbacks)
    assert not (tmp_path / "replicate_0/round_01/checkpoint.safetensors").exists()
    found = search("arrays", tmp_path, evaluate_every=9)
    assert_same(found, undisturbed("arrays", evaluate_every=9))


@pytest.mark.slow
@pytest.mark.first_case
@pytest.mark.parametrize("value", [np.nan, 1.0])
def test_a_checkpoint_that_is_spoiled_is_not_continued(
    value, always_written, undisturbed, monkeypatch, tmp_path
):
    with monkeypatch.context() as patched:  # as an earlier version would
        patched.setattr(OneTraining, "_check_masked", lambda self: None)
        patched.setattr(trouble, "check_state", lambda *arguments: None)

        def callbacks(round, replicate, control):
            return [Spoil(value), Kill("on_epoch_begin", 1)] if round == 1 else []

        assert search("arrays", tmp_path, evaluate_every=9, callbacks=callbacks) is None
    assert (tmp_path / "replicate_0/round_01/checkpoint.safetensors").exists()
    said = r"round_01/checkpoint.*spoiled in 'logits/kern.*begins again"
    with pytest.warns(UserWarning, match=said):
        found = search("arrays", tmp_path, evaluate_every=9)
    assert_same(found, undisturbed("arrays", evaluate_every=9))


def test_the_run_directorys_weights_count_and_not_those_passed_later(tmp_path):
    def run(scale, **arguments):
        model = compiled(tiny())
        kernel = model.get_layer("hidden").kernel
        kernel.assign(kernel * scale)
        return find_ticket(
            model,
            arrays(),
            1,
            validation_data=arrays(32, 1),
            run_dir=tmp_path,
            **arguments,
        )

    first = run(1.0, verbose=0)
    (tmp_path / "replicate_0/round_01/metrics.json").unlink()
    with pytest.warns(UserWarning, match=r"in its run directory\. .* are not used"):
        again = run(2.0, verbose=0)
    assert_same(again, first)


def test_a_model_made_again_continues_its_search(tmp_path):
    """Keras counts the models of a process: `sequential_1`, `input_2`."""

    def run():
        model = keras.Sequential(
            [keras.Input((FEATURES,)), layers.Dense(3, name="logits")]
        )
        compiled(model)
        return find_ticket(
            model,
            arrays(),
            1,
            validation_data=arrays(32, 1),
            run_dir=tmp_path,
            verbose=0,
        )

    assert_same(run(), run())


SCRIPT = """
import sys, time
from tests import models
from tests.training.trainings import shuffled
from tf_lottery import find_ticket
from tf_lottery.bindings.tf_keras._imports import keras

class Slow(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        time.sleep(float(sys.argv[2]))

find_ticket(
    models.compiled(models.with_state()),
    shuffled(),
    2,
    epochs=3,
    validation_data=models.batches(32, 1),
    run_dir=sys.argv[1],
    callbacks=[Slow()],
    verbose=0,
)
"""


def process(run_dir, pause):
    root = pathlib.Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(run_dir), str(pause)],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        stderr=subprocess.PIPE,
        text=True,
    )


@slow
def test_a_process_that_was_killed_by_kill_9_continues(tmp_path):
    victim = process(tmp_path / "killed", 0.7)
    checkpoint = tmp_path / "killed/replicate_0/round_01/checkpoint.safetensors"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and victim.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(victim.pid, signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed/replicate_0/round_01/metrics.json").exists()
    for name in ("killed", "undisturbed"):
        run = process(tmp_path / name, 0)
        assert run.wait() == 0, run.stderr.read()
    from tf_lottery.run_dir.run_dir import RunDir

    histories = [RunDir(tmp_path / n).history() for n in ("killed", "undisturbed")]
    for ours, theirs in zip(*histories, strict=True):
        assert ours.ticket.masks == theirs.ticket.masks
        assert equal(ours.outcome.weights, theirs.outcome.weights)
        assert ours.outcome.curves == theirs.outcome.curves
    assert json.loads((tmp_path / "killed/plan.json").read_text())
