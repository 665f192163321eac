"""Steps, validation between them, and the best one."""

import numpy as np
import pytest

from tests.models import (
    BATCH,
    batches,
    compiled,
    equal,
    keras,
    tiny,
    with_state,
)
from tests.training.trainings import trainer_of, weights_of
from tf_lottery.bindings.tf_keras.models import GROUP
from tf_lottery.core.plan import Plan
from tf_lottery.training.trainer import Trainer

Adam, SGD = keras.optimizers.Adam, keras.optimizers.SGD


@pytest.mark.first_case
@pytest.mark.parametrize("group, every", [(1, 4), (3, 5), (50, 1), (4, 3)])
def test_validation_comes_at_every_multiple_and_at_the_end(group, every):
    model = compiled(tiny(), steps_per_execution=group)
    trainer = trainer_of(
        model, validation=batches(32, 1), evaluate_every=every, steps=11
    )
    outcome = trainer.train(trainer.dense())
    expected = [*range(every, 11, every), 11]
    assert list(outcome.curves["step"]) == expected
    assert len(outcome.curves["val_loss"]) == len(expected)


def test_the_validation_passes_change_nothing():
    def final(every):
        trainer = trainer_of(
            compiled(with_state()), validation=batches(32, 1), evaluate_every=every
        )
        return trainer.train(trainer.dense()).weights

    assert equal(final(1), final(None))


@pytest.mark.parametrize("optimizer", [Adam, keras.optimizers.legacy.Adam])
def test_a_training_may_end_within_an_epoch(optimizer):
    model = compiled(tiny(), optimizer(0.01))
    trainer = trainer_of(model, validation=batches(32, 1), steps=8)
    outcome = trainer.train(trainer.dense())
    assert trainer.lengths.last == outcome.last_step == 8
    assert int(trainer.model.optimizer.iterations) == 8
    model.fit(batches().repeat(), steps_per_epoch=8, verbose=0)
    assert equal(outcome.weights, weights_of(model))


def test_the_best_step_is_the_first_minimum():
    trainer = trainer_of(
        compiled(tiny(), SGD(0.0)), validation=batches(32, 1), evaluate_every=4
    )
    assert trainer.train(trainer.dense()).best_step == 4


def test_metrics_and_weights_are_those_of_the_best_step():
    model = compiled(tiny(), SGD(3.0, momentum=0.9))  # wild, so that it gets worse
    data = batches(32, seed=1)
    trainer = trainer_of(
        model, validation=data, evaluate_every=1, epochs=3, callbacks=[]
    )
    outcome = trainer.train(trainer.dense())
    losses = outcome.curves["val_loss"]
    assert outcome.best_step == outcome.curves["step"][int(np.argmin(losses))]
    assert outcome.best_step < outcome.last_step
    for weight in model.weights:
        weight.assign(outcome.best_weights[weight.name.split(":")[0]])
    expected = model.evaluate(data, verbose=0, return_dict=True)
    found = {k: outcome.metrics[f"val_{k}"] for k in expected}
    assert found == expected


def test_test_data_is_reported_at_the_best_and_at_the_last_step():
    model = compiled(tiny(), SGD(3.0, momentum=0.9))
    test = batches(48, seed=2)
    plan = Plan(epochs=3, evaluate_every=1)
    trainer = Trainer(
        model, batches(), plan, validation_data=batches(32, 1), test_data=test
    )
    outcome = trainer.train(trainer.dense())
    for weights, prefix in (
        (outcome.best_weights, "test_"),
        (outcome.weights, "final_test_"),
    ):
        for weight in model.weights:
            weight.assign(weights[weight.name.split(":")[0]])
        expected = model.evaluate(test, verbose=0, return_dict=True)
        assert {k: outcome.metrics[prefix + k] for k in expected} == expected


@pytest.mark.first_case
@pytest.mark.parametrize("counted", [True, False], ids=["counted", "unknown"])
@pytest.mark.parametrize("number", [2, GROUP + 3])
def test_a_tickets_metrics_can_be_had_without_training(number, counted):
    """Evaluated in groups, which the number of batches need not be a multiple of."""
    model, data = compiled(tiny()), batches(number * BATCH - 5, 1)
    data = data if counted else data.filter(lambda *_: True)
    trainer = trainer_of(model, validation=data)
    expected = model.evaluate(data, verbose=0, return_dict=True)
    found = trainer.evaluate(trainer.dense())
    assert found == {f"val_{name}": value for name, value in expected.items()}


def test_without_validation_data_the_training_loss_decides():
    trainer = trainer_of(compiled(tiny()))
    outcome = trainer.train(trainer.dense())
    assert trainer.monitors[0] == "accuracy"
    assert "val_loss" not in outcome.metrics
    losses = outcome.curves["loss"]
    assert outcome.best_step == outcome.curves["step"][int(np.argmin(losses))]
