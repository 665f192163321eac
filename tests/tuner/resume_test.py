"""A sweep that was killed goes on: the same trials, and at most a round again."""

import math

import keras_tuner
import pytest

from tests.fakes import Killed
from tests.tuner.sweeping import RATES, oracle, swept, tuner, values
from tf_lottery import choices_of
from tf_lottery.core.errors import PlanMismatchError, TicketError

KINDS = {
    "grid": {},
    "random": {"max_trials": 4, "seed": 3},
    "bayesian": {"max_trials": 4, "seed": 3},
    "hyperband": {"max_epochs": 4, "factor": 2, "seed": 3},
}


def of(kind):
    return oracle(kind, objective="winning_score", **KINDS[kind])


def scored(plan, number):
    return 0.9 - plan.pruning_rate * number / 50


@pytest.mark.first_case
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("died", [0, 2, 7, 11])
def test_a_killed_sweep_ends_as_an_undisturbed_one(tmp_path, trainer, kind, died):
    trainer.score = staticmethod(scored)
    whole = swept(tmp_path / "whole", of(kind), rounds=3)
    expected, trainings = values(whole), len(trainer.log)
    trainer.log.clear()
    trainer.die_at = died
    with pytest.raises(Killed):
        swept(tmp_path / "killed", of(kind), rounds=3)
    trainer.die_at = math.inf
    again = swept(tmp_path / "killed", of(kind), rounds=3)
    if kind in ("grid", "random"):  # the others choose by wall clock or set order
        assert values(again) == expected
        assert len(trainer.log) == trainings
    assert {trial.status for trial in again.oracle.trials.values()} == {"COMPLETED"}
    assert len(again.sweep().trials) == len(values(whole))


def killed_at(number, directory, of, monkeypatch):
    """A sweep that is killed when Keras Tuner begins to write its file of a number."""
    written, save = [], keras_tuner.src.utils.save_json

    def die(path, values):
        written.append(path)
        if len(written) == number:
            raise Killed
        save(path, values)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(keras_tuner.src.utils, "save_json", die)
        swept(directory, of, rounds=1)


# Keras Tuner writes oracle, tuner; then of each trial: trial, oracle when it begins,
# trial with its figures, trial, oracle when it ends, oracle and tuner after it.
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [1, 2, 3, 5, 7, 10])
def test_a_kill_between_two_files_of_keras_tuner_loses_no_trial(
    tmp_path, trainer, monkeypatch, kind, number
):
    trainer.score = staticmethod(scored)
    whole = swept(tmp_path / "whole", of(kind), rounds=1)
    expected, trainings = values(whole), len(trainer.log)
    trainer.log.clear()
    killed_at(number, tmp_path / "killed", of(kind), monkeypatch)
    again = swept(tmp_path / "killed", of(kind), rounds=1)
    assert {trial.status for trial in again.oracle.trials.values()} == {"COMPLETED"}
    assert len(again.sweep().trials) == len(expected)
    if kind in ("grid", "random"):  # the others choose by wall clock or set order
        assert values(again) == expected
        assert len(trainer.log) == trainings


def test_a_trial_that_only_its_own_file_knows_is_left_behind(
    tmp_path, trainer, monkeypatch
):
    killed_at(4, tmp_path, oracle(), monkeypatch)
    again = swept(tmp_path, rounds=1)
    assert again.oracle.trials["0000"].status == "RUNNING"
    found = [trial.values["pruning_rate"] for trial in again.sweep().trials]
    assert sorted(found) == list(RATES)


@pytest.mark.parametrize("name", ["oracle.json", "sweep.json", "trial_0/trial.json"])
def test_a_damaged_file_is_named_and_its_trials_are_read_from_their_run_directories(
    tmp_path, trainer, name
):
    made = swept(tmp_path, oracle("random", max_trials=3, seed=2), rounds=1)
    trainer.log.clear()
    path = tmp_path / "sweep" / name
    path.write_text(path.read_text()[:20])
    with pytest.raises(TicketError, match=rf"{name} is damaged: .*tuner0.json"):
        swept(tmp_path, oracle("random", max_trials=3, seed=2), rounds=1)
    assert len(path.read_text()) == 20
    path.unlink()
    (tmp_path / "sweep" / "tuner0.json").unlink()
    again = swept(tmp_path, oracle("random", max_trials=3, seed=2), rounds=1)
    assert values(again) == values(made)
    assert trainer.log == []


def test_a_worker_overwrites_nothing(tmp_path, trainer, monkeypatch):
    swept(tmp_path, oracle(max_trials=1), rounds=1)
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", "8000")
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "tuner0")
    assert tuner(tmp_path, overwrite=True).is_worker
    assert (tmp_path / "sweep" / "oracle.json").exists()


@pytest.mark.parametrize("trials", [1, 2, 3])
def test_a_grid_that_was_stopped_between_trials_covers_everything(
    tmp_path, trainer, trials
):
    space = choices_of({"pruning_rate": RATES[:3], "scope": ["layerwise", "global"]})
    first = tuner(tmp_path, oracle(max_trials=trials), space=space)
    first.search(None, rounds=1, verbose=0)
    again = swept(tmp_path, oracle(), space=space, rounds=1)
    found = [(v["pruning_rate"], v["scope"]) for v in values(again)]
    assert len(found) == len(set(found)) == 6


def test_more_trials_later_are_added(tmp_path, trainer):
    swept(tmp_path, oracle("random", max_trials=2, seed=1), rounds=1)
    again = swept(tmp_path, oracle("random", max_trials=4, seed=1), rounds=1)
    assert len(again.oracle.trials) == 4


def test_an_oracle_without_trials_left_trains_nothing_and_shows_what_there_is(
    tmp_path, trainer, capsys
):
    swept(tmp_path, rounds=1)
    trainer.log.clear()
    again = swept(tmp_path, rounds=1)
    assert trainer.log == []
    again.results_summary()
    assert "Trials, best first (5)" in capsys.readouterr().out


OTHERS = {
    "oracle": {"of": oracle("random", max_trials=2)},
    "an oracle of another state": {"of": oracle("bayesian", max_trials=2)},
    "space": {"space": choices_of({"pruning_rate": (0.2, 0.7)})},
    "rounds": {"rounds": 2},
    "objective": {"of": oracle(objective="winning_score")},
    "seed": {"seed": 5},
    "executions": {"executions_per_trial": 2},
    "tolerance": {"search": {"tolerance": 0.1}},
}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS)
def test_a_directory_of_another_sweep_is_an_error_before_anything_is_trained(
    tmp_path, trainer, changes
):
    swept(tmp_path, oracle(max_trials=1), rounds=1)
    trainer.log.clear()
    with pytest.raises(
        PlanMismatchError, match=r"holds another sweep: its .* there and"
    ):
        swept(tmp_path, **{"rounds": 1, **changes})
    assert trainer.log == []


def test_other_settings_of_hyperband_are_another_sweep(tmp_path, trainer):
    options = {"objective": "winning_score", "factor": 2, "seed": 1}
    swept(tmp_path, oracle("hyperband", max_epochs=2, **options), rounds=1)
    with pytest.raises(PlanMismatchError, match="'max_epochs' is 2 there and 4 here"):
        swept(tmp_path, oracle("hyperband", max_epochs=4, **options), rounds=1)


def test_another_model_in_the_directory_is_an_error(tmp_path, trainer):
    swept(tmp_path, oracle(max_trials=1), rounds=1)
    trainer.architecture = {"model": "another"}
    with pytest.raises(PlanMismatchError, match="the hash of the model"):
        swept(tmp_path, rounds=1)


def test_overwriting_starts_again(tmp_path, trainer):
    swept(tmp_path, oracle(max_trials=1), rounds=1)
    again = swept(tmp_path, rounds=2, overwrite=True)
    assert len(again.oracle.trials) == len(RATES)
    assert {ticket.plan.rounds for ticket in again.get_best_tickets(99)} == {2}
