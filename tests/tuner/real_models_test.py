"""Sweeps with real models: what they train is what `find_ticket` trains."""

import numpy as np
import pytest

from tests.models import keras, layers
from tests.training.trainings import assert_same_rounds
from tests.tuner.sweeping import oracle, tuner
from tf_lottery import choices_of, find_ticket

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(240, 8)).astype("float32")
Y = (X[:, :3].sum(1) > 0).astype("int32")
DATA = {"validation_data": (X[:60], Y[:60])}
PLAN = {"rounds": 2, "epochs": 2, "batch_size": 30}


def model(hp=None):
    made = keras.Sequential(
        [layers.Dense(12, "relu", input_shape=(8,)), layers.Dense(2)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    made.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    return made


@pytest.mark.slow
def test_the_tickets_of_a_sweep_are_those_of_find_ticket(tmp_path):
    made = tuner(
        tmp_path, hypermodel=model, space=choices_of({"pruning_rate": [0.2, 0.5]})
    )
    made.search((X, Y), **DATA, **PLAN, verbose=0)
    assert made.sweep().cost() == "trained 5 of 6 trainings"
    for ticket in made.get_best_tickets(2):
        rate = ticket.plan.pruning_rate
        alone = find_ticket(model, (X, Y), **DATA, **PLAN, pruning_rate=rate, verbose=0)
        assert ticket.masks == alone.masks
        for name in alone.outcome.weights:
            found = ticket.outcome.weights[name]
            np.testing.assert_array_equal(found, alone.outcome.weights[name])
    (best,) = made.get_best_models()
    best.fit(X, Y, epochs=1, verbose=0)


@pytest.mark.slow
def test_the_trials_of_hyperband_are_those_of_find_ticket(tmp_path):
    of = oracle("hyperband", "winning_score", max_epochs=4, factor=2, seed=1)
    space = choices_of({"pruning_rate": [rate / 40 for rate in range(4, 30)]})
    made = tuner(tmp_path, of, hypermodel=model, space=space)
    told = {"rounds": 1, "batch_size": 30}
    made.search((X, Y), **DATA, **told, verbose=0)
    lengths = [trial.values["tuner/epochs"] for trial in made.sweep().trials]
    assert sorted(set(lengths)) == [1, 2, 4]
    for trial in made.sweep().trials[::3]:
        ticket = trial.history.replicates[0][0]
        epochs = trial.values["tuner/epochs"]
        alone = find_ticket(
            *(model, (X, Y)),
            **{**DATA, **told},
            epochs=epochs,
            pruning_rate=trial.values["pruning_rate"],
            verbose=0,
        )
        assert_same_rounds(trial.history.replicates[0], alone.history.replicates[0])
        assert ticket.outcome.last_step == epochs * 240 // 30


def test_a_model_that_is_not_compiled_is_refused_before_any_trial(tmp_path):
    def bare(hp):
        return keras.Sequential([layers.Dense(2, input_shape=(8,))])

    made = tuner(tmp_path, oracle(), hypermodel=bare)
    with pytest.raises(ValueError, match="must be compiled"):
        made.search((X, Y), **DATA, verbose=0)
    assert not made.oracle.trials


@pytest.mark.slow
def test_weights_that_a_choice_sets_are_those_of_its_trial(tmp_path):
    def scaled(hp):
        made = model()
        scale = hp.Choice("scale", [1.0, 0.0])
        made.set_weights([weight * scale for weight in made.get_weights()])
        return made

    space = choices_of({"pruning_rate": [0.2]})
    made = tuner(tmp_path, hypermodel=scaled, space=space)
    made.search((X, Y), **DATA, **PLAN, verbose=0)
    assert made.sweep().cost() == "trained 6 of 6 trainings"
