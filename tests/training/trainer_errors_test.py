"""A training that goes wrong ends with an error of its round and step."""

import numpy as np
import pytest

from tests.models import (
    STEPS,
    batches,
    compiled,
    keras,
    tf,
    tiny,
)
from tests.training.trainings import trainer_of
from tf_lottery.core.plan import Plan
from tf_lottery.search.rounds import run_rounds
from tf_lottery.training.trainer import Trainer

SGD = keras.optimizers.SGD


def test_a_callback_that_stops_early_is_an_error():
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=100.0)
    trainer = trainer_of(compiled(tiny()), callbacks=[stop], epochs=4)
    with pytest.raises(RuntimeError, match=r"round 0 at step 12 .*allow_early_stop"):
        trainer.train(trainer.dense())


@pytest.mark.parametrize("evaluate_every", [None, 4, 100])
def test_a_callback_may_stop_early_if_allowed(evaluate_every):
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=100.0)
    plan = Plan(epochs=4, rounds=1, evaluate_every=evaluate_every)
    trainer = Trainer(
        compiled(tiny()),
        batches(),
        plan,
        validation_data=batches(32, 1),
        callbacks=[stop],
        allow_early_stop=True,
    )
    outcome = trainer.train(trainer.dense())
    assert outcome.last_step == 2 * STEPS
    assert "val_loss" in outcome.metrics


@pytest.mark.parametrize("where", ["loss", "val_loss"])
def test_a_loss_that_becomes_nan_stops_with_round_and_step(where):
    class Poison(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 0:
                self.model.get_layer(index=-1).layer.bias.assign([np.nan] * 3)

    def callbacks(round, replicate, control):
        return [Poison()] if round == 1 else []

    trainer = trainer_of(
        compiled(tiny()), validation=batches(32, 1), callbacks=callbacks, epochs=3
    )
    with pytest.raises(FloatingPointError, match=r"round 1 by step \d+"):
        list(run_rounds(trainer, trainer.plan))


def test_an_infinite_validation_loss_does_not_break_the_outcome():
    def loss(y, outputs):
        return tf.reduce_mean(outputs) * 0 + np.inf

    model = tiny()
    model.compile(SGD(0.0), loss)
    trainer = trainer_of(model, validation=batches(32, 1))
    outcome = trainer.train(trainer.dense())
    assert outcome.best_weights.keys() == outcome.weights.keys()
    assert outcome.best_step == STEPS


@pytest.mark.parametrize("epochs", [1, 2])
def test_weights_that_are_changed_behind_the_optimizer_are_an_error(epochs):
    class Revive(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kernel = self.model.get_layer(index=-1).layer.kernel
            kernel.assign(np.ones(kernel.shape))

    def callbacks(round, replicate, control):
        return [Revive()] if round == 1 else []

    trainer = trainer_of(compiled(tiny()), callbacks=callbacks, epochs=epochs)
    with pytest.raises(RuntimeError, match="'logits/kernel' became nonzero in round 1"):
        list(run_rounds(trainer, trainer.plan))
