import gc

import numpy as np
import pytest

from tests.models import arrays
from tf_lottery import Plan, Trainer, find_ticket
from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.core.next_ticket import prune_ticket

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def unnamed():
    inputs = keras.Input((arrays()[0].shape[1],))
    hidden = keras.layers.Dense(4, activation="relu")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3)(hidden))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def test_a_function_gives_the_same_names_each_time_and_leaves_the_counters():
    before = keras.layers.Dense(1).name
    tickets = [Trainer(unnamed, arrays(), Plan()).dense() for _ in range(2)]
    assert list(tickets[0].masks) == ["dense/kernel", "dense_1/kernel"]
    assert tickets[0].masks.keys() == tickets[1].masks.keys()
    number = int(before.rpartition("_")[2]) if "_" in before else 0
    assert keras.layers.Dense(1).name == f"dense_{number + 1}"


def test_evaluating_first_does_not_change_how_long_is_trained():
    plan = Plan(steps=20, batch_size=8)
    trained = []
    for first in (False, True):
        trainer = Trainer(unnamed, arrays(), plan)
        if first:
            trainer.evaluate(trainer.dense())
        trained.append(trainer.train(trainer.dense()).weights["dense/kernel"])
    assert (trained[0] == trained[1]).all()
    assert int(trainer.model.optimizer.iterations) == 20


def test_a_loss_that_cannot_be_written_is_searched_all_the_same():
    import functools

    def scaled(y, predicted, factor):
        return factor * keras.losses.sparse_categorical_crossentropy(
            y, predicted, from_logits=True
        )

    model = unnamed()
    model.compile("sgd", functools.partial(scaled, factor=2.0))
    trainer = Trainer(model, arrays(), Plan(steps=2))
    assert trainer.facts["architecture"] is None
    assert trainer.train(trainer.dense()).last_step == 2


def test_a_round_outlives_its_ticket_without_a_run_directory():
    rounds = list(find_ticket(unnamed(), arrays(), 1, steps=2, verbose=0).history)
    gc.collect()
    weights = rounds[1].outcome.weights
    assert all(weights[path].any() for path in rounds[1].ticket.masks)


def test_a_fine_tuned_ticket_trains_on_at_the_last_rate():
    model = unnamed()
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    model.compile(keras.optimizers.SGD(schedule), model.loss)
    trainer = Trainer(model, arrays(), Plan(steps=6, retrain="fine_tune"))
    ticket = trainer.dense()
    ticket = prune_ticket(ticket, trainer.train(ticket), trainer.plan)
    restored = ticket.model()
    restored.fit(*arrays(), epochs=1, verbose=0)
    assert np.isclose(float(restored.optimizer.learning_rate), 0.1 * 0.5**5)
