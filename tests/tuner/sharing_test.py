"""Trials train once what they have in common, and nothing is compiled twice."""

import dataclasses

import pytest

from tests.tuner.sweeping import RATES, oracle, swept
from tf_lottery import choices_of
from tf_lottery.core.plan import Plan
from tf_lottery.tuner import trainers


def test_a_sweep_over_rates_trains_one_dense_network(tmp_path, trainer):
    made = swept(tmp_path)
    assert len(trainer.log) == 26
    assert [number for _, number in trainer.log].count(0) == 1
    assert sorted({rate for rate, _ in trainer.log}) == sorted(RATES)
    found = made.sweep()
    assert (found.trained, found.trainings) == (26, 30)
    assert found.cost() == "trained 26 of 30 trainings"


def test_common_rounds_are_shared_too(tmp_path, trainer):
    swept(tmp_path, space=choices_of({"rounds": [1, 2, 4]}), rounds=None, search={})
    assert [number for _, number in trainer.log] == [0, 1, 2, 3, 4]


def test_one_compiled_model_serves_all_trials_that_have_it(tmp_path, trainer):
    swept(tmp_path)
    assert len(trainer.made) == 1


def test_a_model_of_another_choice_is_another_and_shares_nothing(tmp_path, trainer):
    def width(hp):
        return {"units": hp.Choice("units", [8, 16])}

    def model(hp):
        found = width(hp)
        trainer.architecture = found
        return found

    made = swept(
        tmp_path, hypermodel=model, space=choices_of({"pruning_rate": [0.2, 0.5]})
    )
    assert made.sweep().trainings == 24
    assert made.sweep().trained == 22
    assert len(trainer.made) > 1


@pytest.mark.parametrize("changes", [{"retrain": "fine_tune"}, {"batch_size": 8}])
def test_what_a_plan_changes_of_a_compiled_model_makes_another(trainer, changes):
    plan, made = Plan(rounds=2), trainers.Trainers(None)
    for each in (plan, dataclasses.replace(plan, rounds=3, pruning_rate=0.5)):
        made.of(dict, each)
    assert len(trainer.made) == 1
    made.of(dict, dataclasses.replace(plan, **changes))
    assert len(trainer.made) == 2


def test_replicates_of_a_trial_are_its_executions(tmp_path, trainer):
    made = swept(tmp_path, executions_per_trial=3, rounds=2)
    (best,) = made.get_best_tickets()
    assert len(best.history.replicates) == 3
    assert made.sweep().trained == 3 * (1 + 2 * len(RATES))


def test_what_cannot_be_compared_is_not_shared(tmp_path, trainer):
    trainer.cannot_tell = "callbacks"
    with pytest.warns(UserWarning, match="Nothing is shared"):
        made = swept(tmp_path, oracle(max_trials=2), rounds=1)
    assert made.sweep().cost() == "trained 4 of 4 trainings"
    assert len(trainer.made) == 3  # one to see whether it can be
