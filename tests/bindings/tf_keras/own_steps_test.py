"""Models whose training and evaluation steps are the user's own."""

import numpy as np
import pytest

from tests.models import CLASSES, FEATURES, batches, keras, layers, tf
from tests.training.trainings import trainer_of
from tf_lottery.search.rounds import run_rounds


def made(kind, **arguments):
    """A small model of a class of the user."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((FEATURES,))
    hidden = layers.Dense(6, activation="relu", name="hidden")(inputs)
    model = kind(inputs, layers.Dense(CLASSES, name="logits")(hidden))
    model.compile(keras.optimizers.SGD(0.1), **arguments)
    return model


def loss_of(y, outputs):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return loss(y, outputs)


class Distiller(keras.Model):
    """As in Keras' example: steps that return a loss which `compile` knows not."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            outputs = self(x, training=True)
            loss = loss_of(y, outputs)
        self.optimizer.minimize(loss, self.trainable_variables, tape=tape)
        self.compiled_metrics.update_state(y, outputs)
        return {**{m.name: m.result() for m in self.metrics}, "loss": loss}

    def test_step(self, data):
        x, y = data
        outputs = self(x, training=False)
        self.compiled_metrics.update_state(y, outputs)
        metrics = {m.name: m.result() for m in self.metrics}
        return {**metrics, "loss": loss_of(y, outputs)}


@pytest.mark.first_case
@pytest.mark.parametrize(
    "arguments",
    [
        {"metrics": ["accuracy"]},
        {"metrics": ["accuracy"], "run_eagerly": True},
        {"metrics": ["accuracy"], "loss": "mse"},
        {},
    ],
    ids=str,
)
def test_figures_are_those_of_the_users_steps(arguments):
    model, data = made(Distiller, **arguments), batches(32, seed=1)
    trainer = trainer_of(model, validation=data)
    curves = trainer.train(trainer.dense()).curves
    model.fit(batches(), epochs=2, validation_data=data, verbose=0)
    assert model.history.history["val_loss"][0] > 0.5
    for name, values in model.history.history.items():
        assert curves[name] == values
    assert "val_loss" in trainer.monitors
    assert trainer.monitors[0] == f"val_{'accuracy' if arguments else 'loss'}"


class Silent(Distiller):
    """Its evaluation returns no loss."""

    def test_step(self, data):
        return {"seen": super().test_step(data)["loss"]}


class Mute(Distiller):
    """Its training returns the losses of its parts."""

    def train_step(self, data):
        return {"d_loss": super().train_step(data)["loss"], "g_loss": 0.0}


@pytest.mark.parametrize(
    ("kind", "said"),
    [(Silent, "`test_step`.*Received: 'seen'"), (Mute, "`train_step`.*'d_loss', 'g_l")],
)
@pytest.mark.parametrize("run_eagerly", [False, True])
def test_steps_must_return_a_loss(kind, said, run_eagerly):
    model = made(kind, run_eagerly=run_eagerly)
    with pytest.raises(ValueError, match=said):
        trainer_of(model, validation=batches(32, seed=1))


class Noisy(keras.Model):
    """Adds noise to all weights after each step."""

    def train_step(self, data):
        logs = super().train_step(data)
        for weight in self.trainable_variables:
            weight.assign_add(tf.random.normal(weight.shape, stddev=0.01))
        return logs


class Perturbed(keras.Model):
    """Perturbs the weights within a step, as SAM does, and notes what it met."""

    def train_step(self, data):
        for weight in self.trainable_variables:
            weight.assign_add(tf.ones_like(weight))
        zeros = [tf.reduce_sum(tf.cast(w == 0, tf.int32)) for w in self.kernels()]
        for weight in self.trainable_variables:
            weight.assign_sub(tf.ones_like(weight))
        return {**super().train_step(data), "zeros": sum(zeros)}

    def kernels(self):
        return [layer.kernel for layer in self.layers[1:]]


@pytest.mark.first_case
@pytest.mark.parametrize("kind", [Noisy, Perturbed])
@pytest.mark.parametrize("how", [{}, {"run_eagerly": True}], ids=str)
def test_weights_that_a_step_assigns_are_masked(kind, how):
    seen = []
    callback = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(logs.get("zeros"))
    )
    model = made(kind, loss=loss_of, **how)
    trainer = trainer_of(model, callbacks=[callback])
    *_, last = run_rounds(trainer, trainer.plan)
    pruned = sum(np.sum(~mask) for mask in last.ticket.masks.values())
    assert seen[-1] in (None, pruned)
    for path, mask in last.ticket.masks.items():
        assert not last.outcome.weights[path][~mask].any()
        assert last.outcome.weights[path][mask].all()
