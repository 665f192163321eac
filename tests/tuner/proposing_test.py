"""Oracles that propose several trials before one of them ends."""

import pytest

from tests.tuner.sweeping import RATES, oracle, swept, tuner, values
from tf_lottery import choices_of
from tf_lottery.tuner._keras_tuner import independent, proposed

GRID = {"pruning_rate": RATES[:3], "scope": ["layerwise", "global"]}


def begun(directory, of):
    """A tuner that has written which sweep it is, and has no trials yet."""
    made = tuner(directory, of, space=choices_of(GRID))
    made.oracle.hyperparameters = made._space()
    return made


def end(made, trials):
    for trial in trials:
        trial.status = "COMPLETED"
        made.oracle.update_trial(trial.trial_id, {"smallest_winning_density": 1.0})
        made.oracle.end_trial(trial)


@pytest.mark.parametrize("number", [1, 2, 4, 6, 9])
def test_a_grid_proposes_the_same_trials_however_many_at_a_time(
    tmp_path, trainer, number
):
    one = swept(tmp_path / "one", space=choices_of(GRID), rounds=1)
    made, sizes = begun(tmp_path / "several", oracle()), []
    while trials := proposed(made.oracle, "tuner0", number):
        sizes.append(len(trials))
        end(made, trials)
    assert values(made) == values(one)
    assert max(sizes) == min(number, 6)
    assert sum(sizes) == 6


def test_trials_that_were_stopped_come_first_and_in_their_order(tmp_path, trainer):
    first = begun(tmp_path, oracle("random", max_trials=5, seed=1))
    trials = proposed(first.oracle, "tuner0", 3)
    end(first, trials[:1])
    first.save()
    again = begun(tmp_path, oracle("random", max_trials=5, seed=1))
    found = [trial.trial_id for trial in proposed(again.oracle, "tuner0", 3)]
    assert found == [*(trial.trial_id for trial in trials[1:]), "3"]


@pytest.mark.parametrize(
    "of, number",
    [
        (oracle(), 6),
        (oracle(max_trials=4), 4),
        (oracle("random", max_trials=20), 20),
        (oracle("bayesian", max_trials=20), 1),
        (oracle("hyperband", max_epochs=4), 1),
    ],
)
def test_which_oracles_look_at_no_figures(tmp_path, trainer, of, number):
    made = begun(tmp_path, of)
    assert independent(made.oracle, made.oracle.get_space()) == number


def test_a_number_that_cannot_be_had_is_refused_before_any_trial(tmp_path, trainer):
    with pytest.raises(ValueError, match="`together` must be 1 or"):
        swept(tmp_path, rounds=1, search={"together": 2})
    assert trainer.log == []
