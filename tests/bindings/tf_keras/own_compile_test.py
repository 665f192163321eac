"""Models whose class has a `compile` of its own."""

import numpy as np
import pytest

from tests.models import CLASSES, FEATURES, arrays, keras, layers, tf
from tf_lottery import Plan, find_ticket
from tf_lottery.training.trainer import Trainer

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def step_with(optimizer, loss):
    """A training step that uses two attributes."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            found = getattr(self, loss)(y, self(x, training=True))
        weights = self.trainable_variables
        gradients = tape.gradient(found, weights)
        getattr(self, optimizer).apply_gradients(zip(gradients, weights, strict=True))
        return {"loss": found}

    return train_step


class Tutorial(keras.Model):
    """As Keras' guide writes it."""

    def compile(self, optimizer, loss_fn):
        super().compile()
        self.optimizer = optimizer
        self.loss_fn = loss_fn

    train_step = step_with("optimizer", "loss_fn")


class Evaluated(Tutorial):
    def test_step(self, data):
        x, y = data
        return {"loss": self.loss_fn(y, self(x, training=False))}


def made(kind, optimizer=None):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((FEATURES,))
    hidden = layers.Dense(5, activation="relu", name="hidden")(inputs)
    model = kind(inputs, layers.Dense(CLASSES, name="logits")(hidden))
    model.compile(optimizer or keras.optimizers.Adam(0.05), LOSS)
    return model


def test_the_copy_trains_with_what_its_compile_was_given():
    found = Trainer(made(Tutorial), arrays(), Plan(rounds=1, epochs=3))
    assert type(found.model.optimizer) is keras.optimizers.Adam
    assert found.model.loss_fn is not None
    ticket = found.dense()
    losses = found.train(ticket).curves["loss"]
    assert losses[-1] < losses[0]
    assert "optimizer:hidden/kernel/m" in ticket.state


def test_a_search_ends_and_its_ticket_makes_the_model():
    data = arrays()
    model = made(Evaluated)
    ticket = find_ticket(model, data, rounds=1, validation_data=data, verbose=0)
    rebuilt = ticket.model("final", custom_objects={"Evaluated": Evaluated})
    applied = ticket.apply(model, "final")
    x = data[0]
    assert np.array_equal(rebuilt(x), applied(x))
    kernel = applied.layers[1].layer.kernel.numpy()
    assert not kernel[~ticket.masks["hidden/kernel"]].any()


def test_validation_without_a_test_step_says_what_is_missing():
    data = arrays()
    with pytest.raises(ValueError, match=r"write a `test_step`"):
        Trainer(made(Tutorial), data, Plan(rounds=1), validation_data=data)


class OwnLoss(keras.Model):
    """Keeps its loss under the name that Keras uses."""

    def compile(self, optimizer, loss):
        super().compile()
        self.optimizer, self.loss = optimizer, loss

    train_step = step_with("optimizer", "loss")


def test_a_loss_under_keras_own_name_is_kept():
    found = Trainer(made(OwnLoss), arrays(), Plan(rounds=1))
    assert np.isfinite(found.train(found.dense()).curves["loss"]).all()


class OtherName(keras.Model):
    def compile(self, optimizer, loss_fn):
        super().compile()
        self.opt, self.loss_fn = optimizer, loss_fn

    train_step = step_with("opt", "loss_fn")


def test_an_optimizer_under_another_name_is_refused_with_the_name():
    match = r"one optimizer, `self.optimizer`.*'opt' \(Adam\).*set `self.optimizer`"
    with pytest.raises(ValueError, match=match):
        Trainer(made(OtherName), arrays(), Plan(rounds=1))


def test_an_optimizer_that_is_a_name_is_refused():
    with pytest.raises(ValueError, match=r"Received: 'adam' \(str\).*optimizers.get"):
        Trainer(made(Tutorial, "adam"), arrays(), Plan(rounds=1))
