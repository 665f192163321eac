"""Data that a new process would draw otherwise are found before they are read."""

import numpy as np
import pytest

from tests.models import (
    BATCH,
    arrays,
    compiled,
    tf,
    tiny,
)
from tf_lottery.bindings.tf_shared.data.repeatable import is_repeatable
from tf_lottery.core.plan import Plan
from tf_lottery.training.trainer import Trainer


def pixels():
    return tf.data.Dataset.range(20)


def noise(x):
    return tf.random.uniform(()) + tf.cast(x, tf.float32)


def seeded_noise(x):
    return tf.random.stateless_uniform((), (1, 2)) + tf.cast(x, tf.float32)


def unordered():
    options = tf.data.Options()
    options.deterministic = False
    return options


UNSEEDED = {
    "shuffle": lambda: pixels().shuffle(20),
    "shuffle before others": lambda: pixels().shuffle(20).batch(4).prefetch(1),
    "random map": lambda: pixels().map(noise).batch(4),
    "map in a branch": lambda: tf.data.Dataset.zip((pixels(), pixels().map(noise))),
    "shuffle inside": lambda: pixels().flat_map(lambda _: pixels().shuffle(20)),
    "no order": lambda: pixels().map(
        seeded_noise, num_parallel_calls=2, deterministic=False
    ),
    "no order by options": lambda: pixels().with_options(unordered()),
    "samples of datasets": lambda: tf.data.Dataset.sample_from_datasets(
        [pixels(), pixels()], [0.5, 0.5]
    ),
}
SEEDED = {
    "plain": lambda: pixels().batch(4),
    "shuffle": lambda: pixels().shuffle(20, seed=1).batch(4),
    "shuffle seed 0": lambda: pixels().shuffle(20, seed=0).batch(4),
    "shuffle inside": lambda: pixels().interleave(
        lambda _: pixels().shuffle(20, seed=1)
    ),
    "map": lambda: pixels().map(seeded_noise).batch(4),
    "map with a seed": lambda: pixels().map(
        lambda x: tf.random.uniform((), seed=3) + tf.cast(x, tf.float32)
    ),
}


@pytest.fixture
def no_global_seed():
    from tensorflow.python.eager import context

    before = context.context()._seed, getattr(context.context(), "_rng", None)
    context.context()._seed, context.context()._rng = None, None
    yield
    context.context()._seed, context.context()._rng = before


@pytest.mark.parametrize("name", UNSEEDED)
def test_data_that_draw_without_a_seed_are_found(name, no_global_seed):
    assert not is_repeatable(UNSEEDED[name](), True)


@pytest.mark.parametrize("name", SEEDED)
def test_data_that_draw_with_a_seed_are_not_flagged(name, no_global_seed):
    assert is_repeatable(SEEDED[name](), True)


def test_a_search_says_whether_it_can_be_repeated(no_global_seed):
    data = tf.data.Dataset.from_tensor_slices(arrays())
    parts = [data.shuffle(96), data.shuffle(96, seed=1), data]
    model = compiled(tiny())  # sets a global seed
    flags = [
        Trainer(model, part.batch(BATCH), Plan()).facts["repeats"] for part in parts
    ]
    assert flags == [False, False, True]


def test_a_shuffle_inside_an_endless_dataset_is_found():
    shuffled = pixels().shuffle(20, seed=1).repeat().batch(4)
    assert not is_repeatable(shuffled, False)
    assert is_repeatable(shuffled, True)  # a function makes it for each training
    assert is_repeatable(pixels().repeat().batch(4), False)


def test_a_shuffle_that_stays_is_the_same_in_each_training():
    once = pixels().shuffle(20, seed=1, reshuffle_each_iteration=False).batch(4)
    assert is_repeatable(once, False)
    first, second = (list(once.as_numpy_iterator()) for _ in range(2))
    assert all(map(np.array_equal, first, second))
