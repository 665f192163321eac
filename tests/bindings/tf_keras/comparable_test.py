"""Why trainings of a search cannot be compared safely, and are not shared."""

import functools

import pytest

from tests.bindings.tf_keras.forms import seeded_data
from tests.models import arrays, batches, compiled, keras, layers, tf, tiny
from tf_lottery import Data
from tf_lottery.bindings.tf_keras.comparable import unknown
from tf_lottery.bindings.tf_keras.rebuilding.ticket_model import describe


@keras.saving.register_keras_serializable("tests")
class OwnDense(layers.Dense):
    pass


@keras.saving.register_keras_serializable("tests")
class OwnSchedule(keras.optimizers.schedules.ExponentialDecay):
    pass


def focal(truth, predicted):
    return keras.losses.sparse_categorical_crossentropy(truth, predicted)


def own(gamma):
    def loss(truth, predicted):
        return gamma * focal(truth, predicted)

    return loss


class OwnMetric(keras.metrics.Mean):
    def update_state(self, truth, predicted, sample_weight=None):
        return super().update_state(truth)


def of(model, callbacks=(), given=None):
    return unknown(model, describe(model), callbacks, seeded_data(given or arrays()))


def with_layer(layer):
    return compiled(keras.Sequential([keras.Input((8,)), layer, layers.Dense(3)]))


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"loss": "mse"},
        {"loss": keras.losses.mean_squared_error},
        {"loss": ["mse"], "loss_weights": [0.5]},
        {"metrics": [keras.metrics.MeanSquaredError(), "accuracy", "mae"]},
        {"optimizer": "adam"},
        {
            "optimizer": keras.optimizers.SGD(
                keras.optimizers.schedules.CosineDecay(0.1, 10), momentum=0.9
            )
        },
        {"jit_compile": False, "run_eagerly": False},
    ],
    ids=lambda arguments: "-".join(arguments) or "nothing",
)
def test_what_keras_compiles_with_is_known(arguments):
    model = tiny()
    model.compile(**{"optimizer": "sgd", "loss": "mse", **arguments})
    assert of(model) == ""


@pytest.mark.parametrize(
    "layer",
    [
        layers.Dense(4, activation="gelu", kernel_regularizer="l2"),
        layers.Dense(4, activation=tf.nn.relu),
        layers.BatchNormalization(),
        layers.Dropout(0.5, seed=3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_of_keras_are_known(layer):
    assert of(with_layer(layer)) == ""


def test_operations_between_layers_are_known():
    inputs = keras.Input((8,))
    outputs = layers.Dense(3)(tf.math.abs(inputs) + 1.0)
    assert of(compiled(keras.Model(inputs, outputs))) == ""


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"loss": focal}, "focal"),
        ({"loss": own(2.0)}, r"own\.<locals>\.loss"),
        ({"metrics": [OwnMetric()]}, "OwnMetric"),
        (
            {"optimizer": keras.optimizers.SGD(OwnSchedule(0.1, 10, 0.5))},
            "OwnSchedule",
        ),
    ],
    ids=["a loss", "a closure", "a metric", "a schedule"],
)
def test_code_of_ones_own_in_the_compilation_is_named(arguments, name):
    model = tiny()
    model.compile(**{"optimizer": "sgd", "loss": "mse", **arguments})
    assert name.replace("\\", "") in of(model)


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (lambda: OwnDense(4), "OwnDense"),
        (lambda: layers.Lambda(lambda x: 2 * x), "lambda"),
        (lambda: layers.TimeDistributed(OwnDense(4)), "OwnDense"),
    ],
    ids=["a class", "a lambda", "inside another"],
)
def test_code_of_ones_own_in_layers_is_named(layer, name):
    inputs = keras.Input((2, 8))
    outputs = layers.Dense(3)(layers.Flatten()(layer()(inputs)))
    assert name in of(compiled(keras.Model(inputs, outputs)))


def test_a_loss_that_cannot_be_written_is_not_known():
    model = tiny()
    model.compile("sgd", functools.partial(focal))
    assert "cannot be written" in of(model)


@pytest.mark.parametrize("callbacks", [[keras.callbacks.Callback()], lambda *_: []])
def test_callbacks_are_not_known(callbacks):
    assert of(compiled(tiny()), callbacks) == "callbacks"


def test_only_a_dataset_that_shuffles_depends_on_who_read_it():
    model, ordered = compiled(tiny()), batches()
    shuffled = ordered.shuffle(9, seed=1)
    assert of(model, given=ordered) == ""
    assert of(model, given=lambda seed: ordered.shuffle(9, seed=seed + 1)) == ""
    for given in (shuffled, shuffled.map(lambda x, y: (x, y)), Data(shuffled)):
        assert "shuffles" in of(model, given=given)
