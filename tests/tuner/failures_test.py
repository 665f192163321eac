"""Too many failed trials in a row end a sweep, also one of several processes."""

import math

import keras_tuner
import pytest

from tests.tuner.sweeping import oracle, swept
from tf_lottery.tuner.failures import ending_together


def served(directory):
    """An oracle as a chief has it, with choices for ten trials."""
    space = keras_tuner.HyperParameters()
    space.Choice("units", list(range(10)))
    of = oracle("random", max_trials=9, hyperparameters=space, seed=1)
    of._set_project_dir(str(directory), "sweep")
    of.verbose = 0
    return of


def end(of, who, status):
    trial = of.create_trial(who)
    if trial.status == "RUNNING":
        trial.status, trial.message = status, "The loss became NaN."
        if status == "COMPLETED":
            of.update_trial(trial.trial_id, {"smallest_winning_density": 0.1})
        of.end_trial(trial)
    return trial.status


def test_three_failures_in_a_row_stop_all_workers_and_are_the_chiefs_error(tmp_path):
    of = served(tmp_path)
    with pytest.raises(RuntimeError, match="NaN"), ending_together(of):
        for status in ("FAILED", "COMPLETED", "FAILED", "FAILED"):
            assert end(of, "tuner0", status) == status
        end(of, "tuner1", "FAILED")
        assert [end(of, who, "") for who in ("tuner0", "tuner1")] == ["STOPPED"] * 2
        assert not of.ongoing_trials
        assert not of.tuner_ids


def test_fewer_failures_end_nothing(tmp_path):
    of = served(tmp_path)
    with ending_together(of):
        found = [end(of, "tuner0", s) for s in ["FAILED", "FAILED", "COMPLETED"] * 3]
        assert end(of, "tuner0", "") == "STOPPED"
    assert found.count("FAILED") == 6


def test_a_sweep_of_one_process_ends_with_the_last_trials_error(tmp_path, trainer):
    trainer.score = staticmethod(lambda plan, number: math.nan)
    with pytest.raises(RuntimeError, match=r"3 trials in a row failed.*NaN"):
        swept(tmp_path, rounds=1)
    assert len(trainer.log) == 3
