"""A training step of the copy reads no variable of the model, and changes only its own.

Closures and attributes are copied; what is left are global names, objects that are not
copied, and variables that Keras does not track.
"""

import dataclasses
import types

import keras
import numpy as np
import pytest

from tests.bindings.keras3.models import (
    BACKEND,
    CLASSES,
    FEATURES,
    arrays,
    compiled,
    layers,
    tiny,
)
from tests.bindings.keras3.watching import searched

crossentropy = keras.losses.sparse_categorical_crossentropy
LOSS = {"from_logits": True}


def refused(model, said):
    with pytest.raises(ValueError, match=said) as caught:
        searched(model)
    assert "\n" not in str(caught.value)


class Holder(keras.Model):
    """Its `call` reaches a layer by an object of another kind."""

    def __init__(self, hold):
        super().__init__()
        self.hidden = layers.Dense(9, name="hidden")
        self.last = layers.Dense(CLASSES, name="last")
        self.held = hold(self.hidden)

    def call(self, x):
        return self.last(self.held.layer(x))


@dataclasses.dataclass(slots=True)
class Slots:
    layer: object


def holding(hold):
    model = Holder(hold)
    model(np.zeros((1, FEATURES), "float32"))
    return compiled(model)


def test_a_layer_in_a_namespace_is_copied():
    model = holding(lambda layer: types.SimpleNamespace(layer=layer))
    _, rounds = searched(model)
    start, end = rounds[0].ticket.state, rounds[0].outcome.weights
    assert (start["hidden/kernel"] != end["hidden/kernel"]).any()


def test_a_layer_in_slots_is_refused():
    refused(holding(Slots), "uses 'hidden/kernel' of the model that was passed")


ENCODER = layers.Dense(9, name="encoder")


class Tied(layers.Layer):
    def call(self, x):
        return x @ keras.ops.transpose(ENCODER.kernel)


def test_a_layer_that_is_reached_by_a_global_name_is_refused():
    inputs = keras.Input((FEATURES,))
    model = keras.Model(inputs, Tied()(ENCODER(inputs)))
    model.compile("adam", "mse")
    x, _ = arrays()
    with pytest.raises(ValueError, match=r"uses 'encoder/kernel'.* by a global name"):
        searched(model, data=(x, x))


class Annealed(keras.losses.Loss):
    """Counts its calls."""

    def __init__(self):
        super().__init__()
        self.count = keras.Variable(0.0, trainable=False, name="count")

    def call(self, y, predicted):
        self.count.assign_add(1.0)
        return crossentropy(y, predicted, **LOSS) / self.count


class Noisy(keras.losses.Loss):
    """Draws from a generator of its own."""

    def __init__(self):
        super().__init__()
        self.generator = keras.random.SeedGenerator(3)

    def call(self, y, predicted):
        noise = keras.random.uniform((), seed=self.generator)
        return crossentropy(y, predicted, **LOSS) + noise


@pytest.mark.parametrize(
    ("loss", "name"), [(Annealed, "count"), (Noisy, "seed_generator_state")]
)
def test_a_loss_that_changes_its_variables_is_refused(loss, name):
    model = tiny()
    model.compile("adam", loss())
    refused(model, f"changes must belong to the model.*{name}")


class Frozen(keras.losses.Loss):
    """Reads a variable that nothing changes."""

    def __init__(self):
        super().__init__()
        self.factor = keras.Variable(2.0, trainable=False)

    def call(self, y, predicted):
        return crossentropy(y, predicted, **LOSS) * self.factor


def test_a_loss_may_read_variables_that_stay_as_they_are():
    model = tiny()
    model.compile("adam", Frozen())
    searched(model)


class Unseeded(layers.Layer):
    def call(self, x, training=None):
        return x + keras.random.normal((FEATURES,)) if training else x


def unseeded():
    return keras.Sequential(
        [keras.Input((FEATURES,)), Unseeded(), layers.Dense(CLASSES)]
    )


@pytest.mark.skipif(BACKEND == "jax", reason="Keras refuses it.")
def test_numbers_that_are_drawn_without_a_seed_are_refused():
    keras.utils.set_random_seed(0)
    refused(compiled(unseeded()), "a step that draws without a seed")


class TwoOptimizers(keras.Sequential):
    """Trains its biases by a second optimizer."""

    def _step(self, gradients):
        kernels, biases = gradients[::2], gradients[1::2]
        weights = self.trainable_variables
        zeros = [keras.ops.zeros_like(each) for each in biases]
        mixed = [part for pair in zip(kernels, zeros, strict=True) for part in pair]
        self.optimizer.apply(mixed, weights)
        self.second.apply(biases, weights[1::2])


if BACKEND == "tensorflow":
    import tensorflow as tf

    class Two(TwoOptimizers):
        def train_step(self, data):
            x, y = data[:2]
            with tf.GradientTape() as tape:
                loss = self.compute_loss(x, y, self(x, training=True))
            self._step(tape.gradient(loss, self.trainable_weights))
            return {"loss": loss}

elif BACKEND == "torch":
    import torch

    class Two(TwoOptimizers):
        def train_step(self, data):
            x, y = data[:2]
            self.zero_grad()
            loss = self.compute_loss(x, y, self(x, training=True))
            loss.backward()
            with torch.no_grad():
                self._step([each.value.grad for each in self.trainable_weights])
            return {"loss": loss}


@pytest.mark.skipif(BACKEND == "jax", reason="Its steps pass the state on.")
def test_a_second_optimizer_is_refused():
    model = compiled(Two([keras.Input((FEATURES,)), layers.Dense(CLASSES)]))
    model.second = keras.optimizers.Adam()
    model.second.build(model.trainable_variables[1::2])
    refused(model, "trained by one optimizer, .* Received: 'second'")


def raw():
    """A variable of the backend's own kind, and how a step changes it."""
    if BACKEND == "tensorflow":
        return tf.Variable(0.0, trainable=False), lambda raw: raw.assign_add(1.0)
    return torch.zeros(()), lambda raw: raw.add_(1.0)


@pytest.mark.skipif(BACKEND == "jax", reason="Its arrays never change.")
def test_variables_of_the_backend_that_a_step_changes_are_refused():
    class Counting(keras.Sequential):
        def train_step(self, data):
            change(self.raw)
            return super().train_step(data)

    model = compiled(Counting([keras.Input((FEATURES,)), layers.Dense(CLASSES)]))
    model.raw, change = raw()
    refused(model, "must be in variables of Keras")


@pytest.mark.skipif(BACKEND != "torch", reason="Modules of PyTorch.")
def test_buffers_of_modules_are_refused():
    norm = layers.TorchModuleWrapper(torch.nn.BatchNorm1d(FEATURES), name="norm")
    model = keras.Sequential([keras.Input((FEATURES,)), norm, layers.Dense(CLASSES)])
    refused(compiled(model), "Received: 'norm.module.num_batches_tracked'")


def test_after_a_step_variables_of_keras_are_read_as_before():
    kind = keras.src.backend.Variable
    before = {name: vars(kind).get(name) for name in ("value", "assign")}
    searched(compiled(tiny()))
    assert {name: vars(kind).get(name) for name in ("value", "assign")} == before
