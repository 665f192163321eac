"""Objectives: what they are, of searches made by hand; and what Keras Tuner gets."""

import math

import keras_tuner
import pytest

from tests.fakes import history, replicated
from tests.tuner.sweeping import oracle, swept, tuner
from tf_lottery.core.plan import Plan
from tf_lottery.tuner.objectives import check_objective, figures, lottery_objective

DENSE = (1.0, 0.90, 100)
KNOWN = ("val_accuracy", "val_loss")


def test_of_a_winner():
    found = figures(history([DENSE, (0.5, 0.95, 80), (0.1, 0.92, 90), (0.01, 0.5, 9)]))
    assert found["smallest_winning_density"] == found["density"] == 0.1
    assert found["winning_score"] == found["val_accuracy"] == 0.92
    assert found["best_step"] == 90


def test_without_a_winner_the_dense_network_is_what_matches():
    found = figures(history([DENSE, (0.5, 0.80, 80), (0.1, 0.7, 80)]))
    assert found["smallest_winning_density"] == 1.0
    assert found["winning_score"] == 0.90
    assert (found["density"], found["val_accuracy"]) == (0.5, 0.80)


def test_the_area_is_in_decades():
    flat = figures(history([(1.0, 0.9, 9), (0.1, 0.9, 9), (0.01, 0.9, 9)]))
    assert flat["area_under_score"] == pytest.approx(1.8)
    falling = figures(history([(1.0, 1.0, 9), (0.1, 0.0, 9)]))
    assert falling["area_under_score"] == pytest.approx(0.5)


def test_replicates_are_averaged():
    rows = [[(1.0, 0.9, 0.9, 50), (0.5, score, 0.9, 40)] for score in (0.90, 0.94)]
    found = figures(replicated(*rows))
    assert found["winning_score"] == pytest.approx(0.92)
    assert not any(name.startswith("test_") for name in found)


def test_a_figure_that_is_no_number_is_left_out():
    found = figures(history([DENSE, (0.5, math.nan, 80)]))
    assert "val_accuracy" not in found
    assert found["winning_score"] == 0.90


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("smallest_winning_density", "min"),
        ("winning_score", "max"),
        ("area_under_score", "max"),
        ("density", "min"),
        ("val_accuracy", "max"),
        ("val_loss", "min"),
    ],
)
def test_which_way_is_better_is_known(name, direction):
    assert lottery_objective(name).direction == direction


def test_which_way_is_better_of_another_is_an_error():
    with pytest.raises(ValueError, match=r"is not known.*smallest_winning_density"):
        lottery_objective("val_fairness")


@pytest.mark.parametrize("name", ["test_accuracy", "accuracy", "val_auc", "sparsity"])
def test_an_objective_that_no_search_has_is_an_error_that_lists_those(
    tmp_path, trainer, name
):
    objective = keras_tuner.Objective(name, "max")
    with pytest.raises(
        ValueError, match=f"smallest_winning_density.*Received: '{name}'"
    ):
        swept(tmp_path, oracle(objective=objective))
    assert trainer.log == []


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (keras_tuner.Objective("density", "max"), "must be 'min'"),
        (keras_tuner.Objective("val_loss", "max"), "must be 'min'"),
        ([], "must be one of"),
        ([lottery_objective("density")] * 2, "given once"),
    ],
)
def test_an_objective_of_the_wrong_way_or_twice_or_none_is_an_error(
    tmp_path, trainer, objective, message
):
    with pytest.raises(ValueError, match=message):
        swept(tmp_path, oracle(objective=objective))
    assert trainer.log == []


def test_no_objective_is_an_error(tmp_path, trainer):
    with pytest.raises(ValueError, match="The objective must be one of"):
        tuner(tmp_path, keras_tuner.oracles.GridSearchOracle()).search(None, verbose=0)


def test_without_validation_data_nothing_can_win():
    objective = lottery_objective("smallest_winning_density")
    with pytest.raises(ValueError, match="Without validation data"):
        check_objective(objective, ["accuracy", "loss"], True)
    check_objective(keras_tuner.Objective("accuracy", "max"), ["accuracy"], True)


def test_the_area_needs_a_score_of_which_more_is_better():
    objective = lottery_objective("area_under_score")
    with pytest.raises(ValueError, match="Monitor an accuracy"):
        check_objective(objective, KNOWN, False)


def test_several_objectives_are_summed_as_keras_tuner_does(tmp_path, trainer):
    trainer.score = staticmethod(lambda plan, number: 0.9 - plan.pruning_rate / 10)
    several = [lottery_objective("val_accuracy"), lottery_objective("density")]
    made = swept(tmp_path, oracle(objective=several), rounds=1)
    for trial in made.sweep().trials:
        ticket = trial.chosen
        assert trial.score == pytest.approx(ticket.density - ticket.score.mean)
    assert made.sweep().objective == "the sum of val_accuracy, density"
    assert made.get_best_hyperparameters()[0].get("pruning_rate") == 0.6


def test_a_trial_that_becomes_nan_fails_and_the_others_go_on(tmp_path, trainer):
    def score(plan, number):
        return math.nan if plan.pruning_rate == 0.4 and number else 0.9

    trainer.score = staticmethod(score)
    made = swept(tmp_path, rounds=2)
    status = [trial.status for _, trial in sorted(made.oracle.trials.items())]
    assert sorted(status) == ["COMPLETED"] * 4 + ["FAILED"]
    assert 0.4 not in {trial.values["pruning_rate"] for trial in made.sweep().trials}
    (failed,) = made.sweep().failed
    assert failed.values == {"pruning_rate": 0.4}
    assert failed.reason == "The loss became NaN."
    summary = made.sweep().summary()
    assert f"{failed.name}  pruning_rate 0.4: The loss became NaN." in summary
    assert len(made.get_best_tickets(99)) == 4


def test_the_best_is_by_the_objective(tmp_path, trainer):
    trainer.score = staticmethod(
        lambda plan, number: 0.9 if number < 3 or plan.pruning_rate == 0.3 else 0.5
    )
    made = swept(tmp_path, rounds=5)
    best = made.sweep().trials[0]
    (ticket,) = made.get_best_tickets()
    assert best.score == pytest.approx(ticket.density)
    assert ticket.plan == Plan(rounds=5, pruning_rate=best.values["pruning_rate"])
    assert best.score == min(trial.score for trial in made.sweep().trials)


def test_the_winning_score_is_of_the_monitored_direction():
    objective = lottery_objective("winning_score")
    check_objective(objective, KNOWN, True)
    with pytest.raises(ValueError, match=r'Objective\("winning_score", "min"\)'):
        check_objective(objective, ["val_loss"], False)
