"""Batches: the same order in every round, at any step, in any form of the data."""

import itertools

import numpy as np
import pytest

from tests.bindings.tf_keras.forms import feed_of, resolved
from tests.models import (
    BATCH,
    STEPS,
    arrays,
    batches,
    compiled,
    equal,
    keras,
    layers,
    tf,
)
from tf_lottery.core.data import Data
from tf_lottery.core.plan import Plan
from tf_lottery.search.rounds import run_rounds
from tf_lottery.training.trainer import Trainer


def numbered(size=20):
    return np.arange(size), np.zeros(size)


def order(feed, step=0, count=10):
    """The numbers in the batches from a step on."""
    batches = itertools.islice(feed.begin().open(step), count)
    return [tuple(batch[0].numpy().tolist()) for batch in batches]


# Arrays.


def test_arrays_come_in_the_same_order_each_time():
    feed = feed_of(numbered(), batch_size=4)
    assert order(feed) == order(feed) == order(feed_of(numbered(), batch_size=4))


def test_arrays_come_in_another_order_in_each_epoch_and_for_each_seed():
    first, second = (order(feed_of(numbered(), batch_size=4, seed=s)) for s in (0, 1))
    assert first[:5] != first[5:]
    assert first[:5] != second[:5]


def test_an_epoch_of_arrays_has_every_example_once_and_a_smaller_last_batch():
    feed = feed_of(numbered(18), batch_size=4)
    epoch = order(feed, count=5)
    assert feed.steps_per_epoch == 5
    assert [len(batch) for batch in epoch] == [4, 4, 4, 4, 2]
    assert sorted(sum(epoch, ())) == list(range(18))


@pytest.mark.parametrize("step", [1, 5, 7])
def test_arrays_open_at_any_step(step):
    feed = feed_of(numbered(), batch_size=4)
    assert order(feed, step, 10 - step) == order(feed)[step:]


def test_integer_images_stay_integers():
    images = np.zeros((8, 4, 4, 1), np.uint8)
    assert feed_of((images, np.zeros(8))).spec[0].dtype == tf.uint8
    assert feed_of((images.astype(np.float64), np.zeros(8))).spec[0].dtype == tf.float32


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_images_of_bytes_train_through_a_rescaling_layer(dtype):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (32, 4, 4, 1)).astype(dtype)
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1), dtype=dtype),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(3, name="logits"),
        ]
    )
    trainer = Trainer(compiled(model), (images, np.arange(32) % 3), Plan())
    assert np.isfinite(trainer.train(trainer.dense()).metrics["loss"])


# A dataset of the user's.


@pytest.mark.parametrize("endless", [False, True])
@pytest.mark.parametrize("step", [0, 2, 7])
def test_a_dataset_opens_at_any_step(step, endless):
    data = tf.data.Dataset.from_tensor_slices(numbered()).batch(4)
    feed = feed_of(data.repeat() if endless else data, steps_per_epoch=5)
    expected = [tuple(range(n, n + 4)) for n in range(0, 20, 4)]
    assert order(feed, step, 3) == (expected * 3)[step : step + 3]


def test_a_dataset_of_the_users_is_taken_in_its_own_order():
    feed = feed_of(tf.data.Dataset.from_tensor_slices(numbered()).batch(4))
    assert order(feed) == [tuple(range(n, n + 4)) for n in range(0, 20, 4)]


def test_an_endless_dataset_trains_for_its_steps_per_epoch():
    plan = Plan(rounds=1, epochs=2, steps_per_epoch=4)
    trainer = Trainer(compiled(small()), batches().repeat(), plan)
    rounds = list(run_rounds(trainer, plan))
    assert [r.outcome.last_step for r in rounds] == [8, 8]


@pytest.mark.first_case
@pytest.mark.parametrize("length", [4, 9])
def test_steps_per_epoch_need_not_be_the_length_of_the_dataset(length):
    """As Keras does with a repeated dataset: the data go on where they were."""
    model = compiled(small())
    plan = Plan(rounds=1, epochs=3, steps_per_epoch=length)
    trainer = Trainer(model, batches(), plan)
    outcome = trainer.train(trainer.dense())
    model.fit(batches().repeat(), epochs=3, steps_per_epoch=length, verbose=0)
    expected = {w.name.split(":")[0]: w.numpy() for w in model.weights}
    assert equal(outcome.weights, expected)


def small():
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((8,)), layers.Dense(3, name="logits")])


def test_a_function_gets_the_seed_and_may_return_all_three_parts():
    given = []

    def dataset(seed):
        given.append(seed)
        return Data(arrays(), arrays(32, 1), arrays(32, 2))

    trainer = Trainer(compiled(small()), dataset, Plan(seed=5, batch_size=BATCH))
    outcome = trainer.train(trainer.dense())
    assert given == [5]
    assert trainer.lengths.per_epoch == STEPS
    assert {"val_loss", "test_loss", "loss"} <= set(outcome.metrics)


def test_validation_data_given_twice_is_an_error():
    with pytest.raises(ValueError, match="`validation_data` must be given once"):
        resolved(Data(1, 2), 3)
