"""Data in the forms that Keras' `fit` takes, and how a test reads their batches."""

import itertools

import numpy as np

from tests.models import BATCH, EXAMPLES, STEPS, arrays, keras, tf
from tf_lottery import bindings
from tf_lottery.core.plan import Plan
from tf_lottery.training.data import Given, SeededData


class Sequence(keras.utils.Sequence):
    """Batches by their position."""

    def __init__(self, size=STEPS):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        x, y = arrays()
        part = slice(BATCH * index, BATCH * (index + 1))
        return x[part], y[part]


class Changing(Sequence):
    """Counts the passes that ended, and shuffles by their number."""

    def __init__(self):
        super().__init__()
        self.ended = 0

    def __getitem__(self, index):
        x, y = arrays()
        order = np.random.default_rng(self.ended).permutation(EXAMPLES)
        part = order[BATCH * index : BATCH * (index + 1)]
        return x[part], y[part]

    def on_epoch_end(self):
        self.ended += 1


class Plain:
    """What Keras 3's `PyDataset` has: no class of tf_keras."""

    num_batches = STEPS
    __getitem__ = Sequence.__getitem__


class Endless(Plain):
    """Has no end, as Keras 3 allows."""

    num_batches = None

    def __getitem__(self, index):
        x, y = Sequence()[index % STEPS]
        return x + index, y


def generated(seed):
    x, y = arrays()
    order = np.random.default_rng(seed).permutation(EXAMPLES)
    for part in order.reshape(STEPS, BATCH):
        yield x[part], y[part]


def endless():
    while True:
        yield from generated(0)


def unknown():
    """A seeded shuffle whose length nobody knows."""
    slices = tf.data.Dataset.from_tensor_slices(arrays())
    return slices.shuffle(96, seed=3).filter(lambda x, y: True).batch(BATCH)


def given(data, *others, **more):
    return Given(bindings.load("tf_keras"), data, *others, **more)


def resolved(data, *others, plan=None):
    return given(data, *others).resolved(plan or Plan())


def seeded_data(data, *others, plan=None, **more):
    devices = bindings.load("tf_keras").devices(None, None)
    return SeededData(given(data, *others, **more), plan or Plan(), devices)


def feed_of(data, **plan):
    return seeded_data(data, plan=Plan(**plan)).feed


def read(feed, step=0, count=STEPS):
    """The first inputs of the batches of a new training, from a step on."""
    return first_inputs(feed.begin(), step, count)


def first_inputs(batches, step=0, count=STEPS):
    found = itertools.islice(batches.open(step), count)
    return [batch[0].numpy()[:, 0] for batch in found]


def same(mine, theirs):
    return len(mine) == len(theirs) and all(map(np.array_equal, mine, theirs))
