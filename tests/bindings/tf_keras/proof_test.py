"""A copy is compared with the model, and a difference is named by its cause."""

import contextlib
import warnings

import numpy as np
import pytest

from tests.models import BATCH, CLASSES, FEATURES, arrays, compiled, keras, layers, tf
from tf_lottery import Plan
from tf_lottery.bindings.tf_keras.copying import proof
from tf_lottery.bindings.tf_keras.copying.copier import copy_model
from tf_lottery.training.trainer import Trainer

registered = keras.saving.register_keras_serializable("proof_test")


@registered
class Picky(layers.Layer):
    """Takes no negative numbers, and its configuration lacks the factor."""

    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = tf.constant(factor)

    def call(self, x):
        with tf.control_dependencies([tf.debugging.assert_non_negative(x)]):
            return x * self.factor

    def get_config(self):
        return super().get_config()


def picky(factor=100.0):
    inner = [keras.Input((FEATURES,)), Picky(factor, name="picky")]
    return compiled(keras.Sequential([*inner, layers.Dense(CLASSES)]))


def positive():
    x, y = arrays()
    return np.abs(x), y


class Batches(keras.utils.Sequence):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        x, y = positive()
        return x[index * BATCH :][:BATCH], y[index * BATCH :][:BATCH]


def generated(seed=0):
    yield from (Batches()[number] for number in range(6))


def endless():
    while True:
        yield from generated()


def dataset():
    return tf.data.Dataset.from_tensor_slices(positive()).batch(BATCH)


@pytest.mark.parametrize(
    "data",
    [
        positive,
        dataset,
        Batches,
        lambda: generated,
        endless,
        lambda: lambda seed: dataset(),
    ],
    ids=[
        "arrays",
        "dataset",
        "Sequence",
        "function",
        "generator",
        "function of a dataset",
    ],
)
def test_a_copy_is_compared_on_the_first_batch_of_any_data(data):
    plan = Plan(rounds=1, steps_per_epoch=6 if data is endless else None)
    with pytest.raises(ValueError, match=r"outputs and losses.*'picky' \(Picky\)"):
        Trainer(picky(), data(), plan)


def test_a_shuffle_is_not_advanced_and_that_nothing_was_compared_is_said():
    data = dataset().shuffle(6, seed=3)
    fresh = dataset().shuffle(6, seed=3)
    match = r"could not be compared.*did not hold"
    with pytest.warns(UserWarning, match=match) as found:
        Trainer(picky(), data, Plan(rounds=1))
    assert len([w for w in found if "compared" in str(w.message)]) == 1
    first, other = next(iter(data))[0], next(iter(fresh))[0]
    assert np.array_equal(first, other)


def test_reading_the_first_batch_leaves_a_generator_where_it_was():
    read = []

    def batches():
        for number in range(100):
            read.append(number)
            yield Batches()[number % 6]

    found = Trainer(picky(1.0), batches(), Plan(rounds=1, steps_per_epoch=6))
    assert read == [0]
    found.train(found.dense())
    assert read[:6] == list(range(6))


def test_a_comparison_that_was_made_is_not_spoken_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Trainer(picky(1.0), dataset(), Plan(rounds=1))


@registered
class Random(layers.Layer):
    def call(self, x):
        draw = np.random.default_rng().standard_normal
        drawn = tf.numpy_function(lambda: np.float32(draw()), [], tf.float32)
        return x + tf.reshape(drawn, ())


@pytest.mark.parametrize(
    "convert",
    [tf.strings.as_string, lambda x: tf.complex(0.0, x), lambda x: tf.cast(x, "int8")],
)
def test_outputs_that_are_no_real_numbers_are_compared(convert, recwarn):
    x = keras.Input((FEATURES,))
    model = keras.Model(x, layers.Lambda(convert)(layers.Dense(CLASSES)(x)))
    copied = copy_model(model)
    proof.prove(copied, model, contextlib.nullcontext)
    assert not [w for w in recwarn if "could not be compared" in str(w.message)]
    copied.weights[0].assign_add(tf.ones_like(copied.weights[0]))
    with pytest.raises(ValueError, match="gives other outputs"):
        proof.prove(copied, model, contextlib.nullcontext)


def test_outputs_that_are_random_are_said_to_be_not_compared():
    inner = [keras.Input((FEATURES,)), layers.Dense(CLASSES), Random()]
    with pytest.warns(UserWarning, match="draws at random where it is not trained"):
        Trainer(compiled(keras.Sequential(inner)), arrays(), Plan(rounds=1))


def functional():
    inputs = keras.Input((FEATURES,))
    hidden = layers.Dense(5, activation="relu", name="hidden")(inputs)
    return keras.Model(inputs, layers.Dense(CLASSES, name="logits")(hidden))


def test_a_function_that_adds_a_loss_is_named_as_the_cause():
    model = functional()
    hidden = model.get_layer("hidden")
    model.add_loss(lambda: tf.reduce_sum(hidden.kernel**2))
    with pytest.raises(ValueError, match=r"`add_loss` of 'model.*Functional") as error:
        Trainer(compiled(model), arrays(), Plan(rounds=1))
    assert "get_config" not in str(error.value)


def test_a_function_that_adds_a_loss_to_a_layer_is_named_as_the_cause():
    model = functional()
    hidden = model.get_layer("hidden")
    hidden.add_loss(lambda: tf.reduce_sum(hidden.kernel**2))
    with pytest.raises(ValueError, match=r"`add_loss` of 'hidden' \(Dense\)"):
        Trainer(compiled(model), arrays(), Plan(rounds=1))


@registered
class AddsItsLoss(layers.Layer):
    """Adds a function in `build`, which a copy does, too; and a regularizer."""

    def build(self, shape):
        decay = keras.regularizers.L2(0.1)
        self.kernel = self.add_weight(name="kernel", shape=(8, 4), regularizer=decay)
        self.add_loss(lambda: tf.reduce_sum(self.kernel**2))

    def call(self, x):
        return x @ self.kernel


def test_a_loss_that_a_layer_adds_itself_is_copied():
    inner = [keras.Input((FEATURES,)), AddsItsLoss(), layers.Dense(CLASSES)]
    found = Trainer(compiled(keras.Sequential(inner)), arrays(), Plan(rounds=1))
    assert len(found.model.losses) == 2


@registered
class OnlyOnce(layers.Layer):
    """Its class can be made once, for a reason of its own."""

    made = 0

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        OnlyOnce.made += 1
        if OnlyOnce.made > 1:
            raise RuntimeError("the licence server is away")

    def call(self, x):
        return x


def test_an_error_of_a_class_is_shown_as_it_is():
    inner = [keras.Input((FEATURES,)), OnlyOnce(), layers.Dense(CLASSES)]
    match = r"'only_once.*RuntimeError: the licence server is away"
    with pytest.raises(ValueError, match=match):
        Trainer(compiled(keras.Sequential(inner)), arrays(), Plan(rounds=1))


@registered
class Failing(layers.Layer):
    """Its call fails in a copy, whose configuration lacks the units."""

    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def call(self, x):
        return tf.reshape(x, (-1, self.units, 2)) + tf.zeros((1, FEATURES // 2, 2))

    def get_config(self):
        return super().get_config()


def test_a_call_that_fails_in_a_copy_is_shown_with_its_layer():
    inner = [Failing(FEATURES // 2, name="failing"), layers.Flatten()]
    model = keras.Sequential([keras.Input((FEATURES,)), *inner, layers.Dense(CLASSES)])
    with pytest.raises(ValueError, match=r"copy fails: .*'?failing'?.*: .*must be"):
        Trainer(compiled(model), arrays(), Plan(rounds=1))
