"""Data in the forms that Keras 3's `fit` takes, and how a test reads their batches."""

import itertools

import keras
import numpy as np
import pytest

from tests.bindings.keras3.models import arrays
from tf_lottery import bindings
from tf_lottery.core.plan import Plan
from tf_lottery.training.data import Given, SeededData

BATCH, EXAMPLES = 16, 88  # the last batch is a short one
STEPS = -(-EXAMPLES // BATCH)
X, Y = arrays(EXAMPLES)


class Dataset(keras.utils.PyDataset):
    """Batches by their position."""

    def __len__(self):
        return STEPS

    def __getitem__(self, index):
        part = slice(BATCH * index, BATCH * (index + 1))
        return X[part], Y[part]


class Changing(Dataset):
    """Turns the rows of its batches around after each pass."""

    def __init__(self):
        super().__init__()
        self.ended = 0

    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return np.roll(x, self.ended, 0), np.roll(y, self.ended, 0)

    def on_epoch_end(self):
        self.ended += 1


class Endless(keras.utils.PyDataset):
    """Batches by their position, without end."""

    num_batches = None
    ended = 0

    def __getitem__(self, index):
        x, y = Dataset()[index % STEPS]
        return x + index, y


class EndlessChanging(Endless):
    """Turns the rows of its batches around after each epoch."""

    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return np.roll(x, self.ended, 0), np.roll(y, self.ended, 0)

    def on_epoch_end(self):
        self.ended += 1


def generated(seed):
    order = np.random.default_rng(seed).permutation(EXAMPLES)
    for start in range(0, EXAMPLES, BATCH):
        part = order[start : start + BATCH]
        yield X[part], Y[part]


def endless():
    while True:
        yield from generated(0)


def loader(rows=None, **more):
    """A DataLoader of the rows, or of others."""
    data = torch().utils.data
    tensors = map(torch().tensor, (X, Y))
    rows = data.TensorDataset(*tensors) if rows is None else rows
    return data.DataLoader(rows, batch_size=BATCH, **more)


def drawing_loader():
    generator = torch().Generator().manual_seed(5)
    return loader(shuffle=True, generator=generator)


def sampling_loader():
    generator = torch().Generator().manual_seed(5)
    order = torch().utils.data.RandomSampler(range(EXAMPLES), generator=generator)
    return loader(sampler=order)


def streaming_loader():
    """A DataLoader whose length nobody knows."""

    class Stream(torch().utils.data.IterableDataset):
        def __iter__(self):
            return zip(X, Y, strict=True)

    return loader(Stream())


def slices():
    return tensorflow().data.Dataset.from_tensor_slices((X, Y))


def shuffled(seed):
    return slices().shuffle(EXAMPLES, seed=seed).batch(BATCH)


def unknown(seed):
    """A dataset whose length nobody knows."""
    return shuffled(seed).filter(lambda x, y: True)


def torch():
    """PyTorch, where it is installed."""
    return pytest.importorskip("torch")


def tensorflow():
    """TensorFlow, where it is installed."""
    return pytest.importorskip("tensorflow")


def seeded_data(data, *others, plan=None, **more):
    binding = bindings.load("keras3")
    given = Given(binding, data, *others, **more)
    return SeededData(given, plan or Plan(), binding.devices(None, None))


def feed_of(data, class_weight=None, **plan):
    given = {"class_weight": class_weight} if class_weight else {}
    return seeded_data(data, plan=Plan(**plan), **given).feed


def batches_of(feed, step=0, count=STEPS):
    """The arrays of the batches of a new training, from a step on."""
    found = itertools.islice(feed.begin().open(step), count)
    return [keras.tree.map_structure(np.asarray, batch) for batch in found]


def read(feed, step=0, count=STEPS):
    """The first column of the inputs of these batches."""
    return first_columns(feed.begin().open(step), count)


def first_columns(batches, count):
    """The first column of the inputs of some batches."""
    return [np.asarray(x)[:, 0] for x, _ in itertools.islice(batches, count)]


def same(mine, theirs):
    return len(mine) == len(theirs) and all(map(np.array_equal, mine, theirs))
