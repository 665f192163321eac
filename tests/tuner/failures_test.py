"""A trial's own errors fail the trial; all others end the sweep, which can continue."""

import math

import filelock
import keras_tuner
import pytest

from tests.models import tf
from tests.tuner.sweeping import RATES, swept, tuner
from tf_lottery.core.errors import InvariantError, PlanMismatchError


def fails_once(trainer, error):
    """Lets the fourth training of the class fail."""
    train = trainer.train

    def failing(self, ticket, **options):
        if len(self.log) == 3:
            self.log.append("failed")
            raise error
        return train(self, ticket, **options)

    trainer.train = failing


def wrapped(cause):
    """What the training loop makes of an error of TensorFlow."""
    error = RuntimeError("The training of round 1 failed.")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        FloatingPointError("The loss became NaN."),
        MemoryError(),
        wrapped(tf.errors.ResourceExhaustedError(None, None, "OOM")),
    ],
    ids=["NaN", "memory", "device memory"],
)
def test_nan_and_a_lack_of_memory_fail_one_trial(tmp_path, trainer, error):
    fails_once(trainer, error)
    made = swept(tmp_path, rounds=1)
    (failed,) = made.sweep().failed
    assert failed.reason == (str(error) or "MemoryError")
    assert len(made.sweep().trials) == len(RATES) - 1


@pytest.mark.parametrize(
    "error",
    [
        TypeError("unsupported operand"),
        ValueError("could not broadcast"),
        wrapped(LookupError("no batch")),
        InvariantError("A removed weight came back in round 1."),
        PlanMismatchError("It holds another search."),
        OSError(28, "No space left on device"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_any_other_error_ends_the_sweep_and_fails_no_trial(tmp_path, trainer, error):
    train, cause = trainer.train, error.__cause__
    fails_once(trainer, error)
    with pytest.raises(type(error)) as ended:
        swept(tmp_path, rounds=1)
    assert ended.value is error
    assert error.__cause__ is cause
    trainer.train = train
    again = swept(tmp_path, rounds=1)
    assert {trial.status for trial in again.oracle.trials.values()} == {"COMPLETED"}
    assert len(again.oracle.trials) == len(RATES)
    assert len(trainer.log) == 1 + len(RATES) + 1


def test_a_run_directory_in_use_ends_the_sweep(tmp_path, trainer):
    run_dir = tuner(tmp_path).run_dir("0001")
    run_dir.mkdir()
    with (
        filelock.FileLock(run_dir / ".lock"),
        pytest.raises(ValueError, match="in use by another process"),
    ):
        swept(tmp_path, rounds=1)
    assert not swept(tmp_path, rounds=1).sweep().failed


def test_an_error_in_the_model_of_a_choice_is_judged_by_its_kind(tmp_path, trainer):
    def model(hp):
        kind = hp.Choice("kind", ["good", "unfit", "refused"])
        if kind == "unfit":
            raise ValueError("Negative dimension size.")
        if kind == "refused":
            raise keras_tuner.errors.FailedTrialError("Too slow.")
        return {}

    made = swept(tmp_path, hypermodel=model, space=lambda hp: {}, rounds=1)
    reasons = {each.reason for each in made.sweep().failed}
    assert reasons == {"Negative dimension size.", "Too slow."}


def test_too_many_failures_in_a_row_end_the_sweep(tmp_path, trainer):
    trainer.score = staticmethod(lambda plan, number: math.nan)
    with pytest.raises(RuntimeError, match=r"the limit of 3\.\nThe loss became NaN"):
        swept(tmp_path, rounds=1)
    assert len(trainer.log) == 3


def test_after_too_many_failures_the_last_trial_is_tried_again(tmp_path, trainer):
    trainer.score = staticmethod(lambda plan, number: math.nan)
    with pytest.raises(RuntimeError, match="became NaN"):
        swept(tmp_path, rounds=1)
    trainer.score = staticmethod(lambda plan, number: 0.9)
    again = swept(tmp_path, rounds=1)
    statuses = [trial.status for trial in again.oracle.trials.values()]
    assert (statuses.count("FAILED"), statuses.count("COMPLETED")) == (2, 3)
