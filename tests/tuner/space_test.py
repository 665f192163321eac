"""What a sweep may choose, and what is fixed."""

import keras_tuner
import pytest

from tests.tuner.sweeping import RATES, oracle, swept, tuner, values
from tf_lottery import LotteryTuner, choices_of, lottery_space
from tf_lottery.core.plan import Plan

HALF = {"pruning_rate": 0.5}


def test_the_lottery_space_makes_plans():
    hp = keras_tuner.HyperParameters()
    assert Plan(**lottery_space(hp)) == Plan()
    hp.values["retrain"] = "lr_rewind"
    chosen = lottery_space(hp)
    assert "rewind_to" not in chosen
    assert Plan(**chosen).retrain == "lr_rewind"


@pytest.mark.slow
def test_every_choice_of_the_lottery_space_is_a_plan(tmp_path, trainer):
    of = oracle("random", max_trials=20, seed=4)
    length = {"epochs": 10}  # 1,000 steps
    made = swept(tmp_path, of, space=lottery_space, rounds=None, search=length)
    assert len(made.sweep().trials) == 20
    assert {v.get("rewind_to") for v in values(made)} == {None, 0, 100, 500}


def test_a_choice_that_cannot_be_fails_its_trial_alone(tmp_path, trainer):
    space = choices_of({"rewind_to": [0, 100, 50]})  # trainings have 100 steps
    made = swept(tmp_path, space=space, rounds=1)
    assert {trial.values["rewind_to"] for trial in made.sweep().trials} == {0, 50}


def test_arguments_of_the_search_are_fixed_and_not_offered(tmp_path, trainer):
    of = oracle("random", max_trials=3, seed=1)
    fixed = {"retrain": "lr_rewind", "scope": "global", "criterion": "movement"}
    made = swept(tmp_path, of, space=lottery_space, rounds=2, search=fixed)
    for chosen in values(made):
        assert list(chosen) == ["pruning_rate"]
    assert list(made.sweep().trials[0].values) == ["pruning_rate"]
    for ticket in made.get_best_tickets(3):
        assert (ticket.plan.rounds, ticket.plan.retrain) == (2, "lr_rewind")


def test_a_function_can_be_fixed_too(tmp_path, trainer):
    def criterion(ticket, outcome):
        return {path: abs(outcome.weights[path]) for path in ticket.masks}

    of = oracle("random", max_trials=2, seed=1)
    fixed = {"criterion": criterion, "retrain": "fine_tune", "scope": "layerwise"}
    made = swept(tmp_path, of, space=lottery_space, rounds=1, search=fixed)
    assert "criterion" not in made.sweep().trials[0].values


def test_choices_of_a_model_are_offered_beside(tmp_path, trainer):
    def model(hp):
        return {"rate": hp.Choice("learning_rate", [0.1, 0.01])}

    made = swept(tmp_path, hypermodel=model, space=choices_of({"rounds": [1, 2]}))
    assert len(values(made)) == 2  # rounds are fixed
    assert {v["learning_rate"] for v in values(made)} == {0.1, 0.01}


def test_a_hypermodel_class_will_do(tmp_path, trainer):
    class Model(keras_tuner.HyperModel):
        def build(self, hp):
            return {"rate": hp.Choice("learning_rate", [0.1, 0.01])}

    assert len(values(swept(tmp_path, hypermodel=Model(), space=lambda hp: HALF))) == 2


def test_a_hypermodel_that_declares_what_it_needs_will_do(tmp_path, trainer):
    class Model(keras_tuner.HyperModel):
        def declare_hyperparameters(self, hp):
            hp.Choice("learning_rate", [0.1, 0.01, 0.001])

        def build(self, hp):
            return {"rate": hp.get("learning_rate")}

    assert len(values(swept(tmp_path, hypermodel=Model(), space=lambda hp: HALF))) == 3


def test_a_hypermodel_that_fits_by_itself_is_refused(tmp_path, trainer):
    class Fits(keras_tuner.HyperModel):
        def fit(self, hp, model, *arguments, **more):
            return model.fit(*arguments, **more)

    with pytest.raises(TypeError, match="its own `fit`"):
        tuner(tmp_path, hypermodel=Fits())


def test_what_is_fixed_is_not_offered_though_the_oracle_has_it(tmp_path, trainer):
    hp = keras_tuner.HyperParameters()
    hp.Choice("pruning_rate", [0.7, 0.8])
    hp.Choice("rounds", [1, 2])
    of = oracle(hyperparameters=hp)
    space = choices_of({"rounds": [1, 2], "pruning_rate": [0.2]})
    made = swept(tmp_path, of, rounds=None, space=space, search={"pruning_rate": 0.3})
    assert values(made) == [{"rounds": 1}, {"rounds": 2}]
    assert {ticket.plan.pruning_rate for ticket in made.get_best_tickets(9)} == {0.3}


def early(hp):
    """A space without conditional scopes."""
    retrain = hp.Choice("retrain", ["rewind", "lr_rewind"])
    if retrain == "rewind":
        return {"retrain": retrain, "rewind_to": hp.Choice("rewind_to", [0, 10])}
    return {"retrain": retrain}


def named_parent(hp):
    """A space whose condition is an argument."""
    retrain = hp.Choice("retrain", ["rewind", "lr_rewind"])
    of = {"parent_name": "retrain", "parent_values": ["rewind"]}
    late = hp.Choice("rewind_to", [0, 10], **of)
    return {"retrain": retrain, **({"rewind_to": late} if retrain == "rewind" else {})}


@pytest.mark.parametrize("space", [early, named_parent])
@pytest.mark.parametrize("fixed", [{"rewind_to": 50}, {"retrain": "lr_rewind"}])
def test_any_space_with_conditions_can_be_fixed(tmp_path, trainer, space, fixed):
    made = swept(tmp_path, space=space, rounds=1, search=fixed)
    assert not made.sweep().failed
    for ticket in made.get_best_tickets(9):
        assert ticket.plan.retrain == fixed.get("retrain", ticket.plan.retrain)
        if ticket.plan.retrain == "rewind":
            assert ticket.plan.rewind_to == 50


def test_a_model_may_ask_for_what_is_fixed(tmp_path, trainer):
    def model(hp):
        return {"scope": hp.get("scope")}

    space = choices_of({"scope": ["layerwise", "global"]})
    fixed = {"scope": "global"}
    swept(tmp_path, hypermodel=model, space=space, rounds=1, search=fixed)


@pytest.mark.parametrize("name", ["monitor", "mode", "tolerance", "together"])
def test_what_must_be_equal_for_all_trials_is_no_choice(tmp_path, trainer, name):
    with pytest.raises(ValueError, match=f"equal for all trials. .* returns {name}"):
        swept(tmp_path, space=lambda hp: {name: 0.0 if name == "tolerance" else "max"})


MISUSES = {
    "an oracle by name": (lambda: LotteryTuner("random", dict), "must be one of Keras"),
    "no hypermodel": (lambda: LotteryTuner(oracle(), None), "must be a function of"),
    "a number of trials": (
        lambda: LotteryTuner(oracle(), dict, max_trials=3),
        "The oracle takes max_trials",
    ),
}


@pytest.mark.parametrize(("misuse", "message"), MISUSES.values(), ids=MISUSES)
def test_a_misuse_is_an_error_that_says_what_to_do(misuse, message):
    with pytest.raises(TypeError, match=message):
        misuse()


def test_a_hypermodel_or_a_space_that_returns_nothing_is_an_error(tmp_path, trainer):
    with pytest.raises(ValueError, match=r"Received: None\. Is there a `return`"):
        swept(tmp_path, hypermodel=lambda hp: None)
    with pytest.raises(TypeError, match="must return a dict"):
        swept(tmp_path, space=lambda hp: None)


def test_an_argument_that_is_nearly_right_is_named(tmp_path):
    with pytest.raises(TypeError, match=r"rouns\. Did you mean rounds\?"):
        tuner(tmp_path).search(None, rouns=3)


def test_hyperbands_shortest_trial_is_what_a_space_must_fit(tmp_path, trainer):
    trainer.last = staticmethod(lambda plan: 6 * plan.epochs)
    options = {"objective": "winning_score", "factor": 3, "seed": 1}
    of = oracle("hyperband", max_epochs=8, **options)
    swept(tmp_path, of, rounds=1, search={"rewind_to": 1})
    space = choices_of({"steps": [5, 7], "pruning_rate": RATES})
    with pytest.raises(ValueError, match="a space that returns `steps`"):
        of = oracle("hyperband", max_epochs=4, **options)
        swept(tmp_path / "other", of, space=space)


@pytest.mark.parametrize("name", ["loss", "max_model_size", "distribution_strategy"])
def test_what_a_search_has_elsewhere_is_refused(tmp_path, trainer, name):
    with pytest.raises(TypeError, match=f"Received: {name}."):
        tuner(tmp_path, **{name: 1})


def test_a_field_that_is_offered_on_a_condition_can_be_fixed(tmp_path, trainer):
    fixed = {"rewind_to": 500, "scope": "global", "criterion": "magnitude"}
    length = {"epochs": 10}  # 1,000 steps
    hp = keras_tuner.HyperParameters()
    hp.Fixed("pruning_rate", 0.5)
    made = swept(
        tmp_path,
        oracle(hyperparameters=hp),
        space=lottery_space,
        rounds=1,
        search=fixed | length,
    )
    assert sorted(v["retrain"] for v in values(made)) == [
        *("fine_tune", "lr_rewind", "rewind")
    ]
    found = {t.plan.retrain: t.plan.rewind_to for t in made.get_best_tickets(9)}
    assert found == {"rewind": 500, "lr_rewind": 0, "fine_tune": 0}


@pytest.mark.parametrize("length", [{"epochs": 7}, {"steps": 30}])
def test_hyperband_takes_no_length(tmp_path, trainer, length):
    of = oracle("hyperband", objective="winning_score", max_epochs=4, factor=2)
    with pytest.raises(ValueError, match="length of each training in epochs"):
        swept(tmp_path, of, search=length)
    assert trainer.log == []


@pytest.mark.parametrize(
    "fixed", [{"seed": 3}, {"replicates": 2}, {"run_dir": "runs"}, {"ruonds": 3}]
)
def test_what_the_tuner_has_itself_or_nobody_knows_is_refused(tmp_path, trainer, fixed):
    with pytest.raises(TypeError, match=f"Received: {next(iter(fixed))}"):
        tuner(tmp_path).search(None, verbose=0, **fixed)


@pytest.mark.parametrize("name", ["seed", "replicates", "units"])
def test_a_space_of_something_else_than_a_plan_is_refused(tmp_path, trainer, name):
    with pytest.raises(ValueError, match=f"fields of a Plan.* Received: {name}"):
        swept(tmp_path, space=lambda hp: {name: 3})
    assert trainer.log == []


def test_a_space_is_kept_where_the_oracle_has_it(tmp_path, trainer):
    hp = keras_tuner.HyperParameters()
    hp.Choice("pruning_rate", [0.7, 0.8])
    of = oracle(hyperparameters=hp, tune_new_entries=False)
    made = swept(tmp_path, of, rounds=1)
    assert {v["pruning_rate"] for v in values(made)} == {0.7, 0.8}


def test_hyperband_gives_the_length_of_each_training(tmp_path, trainer):
    of = oracle("hyperband", objective="winning_score", max_epochs=4, factor=2, seed=1)
    made = swept(tmp_path, of, rounds=1)
    lengths = [
        (trial.values["tuner/epochs"], trial.history.plan.epochs)
        for trial in made.sweep().trials
    ]
    assert all(given == had for given, had in lengths)
    assert {had for _, had in lengths} == {1, 2, 4}
