"""Loaders of PyTorch: what they draw follows from seed and pass."""

import itertools
import random

import numpy as np
import pytest

from tests.bindings.keras3 import forms
from tests.bindings.keras3.forms import (
    EXAMPLES,
    STEPS,
    feed_of,
    read,
    same,
)

torch = pytest.importorskip("torch")
utils = torch.utils.data


class Permuted(utils.Sampler):
    """Draws an order from a generator of its own, by a function."""

    def __init__(self, generator, draw):
        self.own, self.draw = generator, draw

    def __len__(self):
        return EXAMPLES

    def __iter__(self):
        return iter([int(each) for each in self.draw(self.own)])


class Counting(Permuted):
    """Counts how often it was read, and orders by that."""

    def __init__(self):
        self.count = itertools.count()

    def __iter__(self):
        order = np.random.default_rng(next(self.count)).permutation(EXAMPLES)
        return iter(order.tolist())


class Noisy(utils.TensorDataset):
    """Adds noise from a generator of its own to its rows."""

    def __init__(self):
        super().__init__(*map(torch.tensor, (forms.X, forms.Y)))
        self.transforms = [np.random.default_rng(5)]

    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return x + self.transforms[0].normal(), y


def drawn(generator):
    """What comes next from a generator of any kind; the state stays."""
    if isinstance(generator, torch.Generator):
        return generator.get_state().tolist()
    if isinstance(generator, random.Random):
        return generator.getstate()
    return str(getattr(generator, "bit_generator", generator).__getstate__())


def by_torch(generator):
    return torch.randperm(EXAMPLES, generator=generator)


def of_sampler(sampler):
    return forms.loader(sampler=sampler), [sampler.generator]


def permuted(generator, draw):
    return forms.loader(sampler=Permuted(generator, draw)), [generator]


def in_batches(generator):
    random_order = utils.RandomSampler(range(EXAMPLES), generator=generator)
    batches = utils.BatchSampler(random_order, forms.BATCH, False)
    rows = utils.TensorDataset(*map(torch.tensor, (forms.X, forms.Y)))
    return utils.DataLoader(rows, batch_sampler=batches), [generator]


def noisy():
    rows = Noisy()
    return forms.loader(rows), [rows.transforms[0]]


def passed():
    generator = torch.Generator().manual_seed(5)
    return forms.loader(shuffle=True, generator=generator), [generator]


def seeded():
    return torch.Generator().manual_seed(5)


MAKERS = {
    "of the loader": passed,
    "of a sampler": lambda: of_sampler(
        utils.RandomSampler(range(EXAMPLES), generator=seeded())
    ),
    "of a weighted sampler": lambda: of_sampler(
        utils.WeightedRandomSampler([1.0] * EXAMPLES, EXAMPLES, generator=seeded())
    ),
    "of a sampler of batches": lambda: in_batches(seeded()),
    "of a class of one's own": lambda: permuted(seeded(), by_torch),
    "of NumPy": lambda: permuted(
        np.random.default_rng(5), lambda own: own.permutation(EXAMPLES)
    ),
    "of NumPy's old kind": lambda: permuted(
        np.random.RandomState(5), lambda own: own.permutation(EXAMPLES)
    ),
    "of Python": lambda: permuted(
        random.Random(5), lambda own: own.sample(range(EXAMPLES), EXAMPLES)
    ),
    "of the rows": noisy,
}
kinds = pytest.mark.parametrize("kind", MAKERS)


@kinds
def test_what_is_drawn_follows_from_seed_and_pass(kind):
    feed = feed_of(MAKERS[kind]()[0], seed=3)
    first = read(feed)
    assert same(first, read(feed))
    assert not same(first, read(feed, STEPS))
    assert not same(first, read(feed_of(MAKERS[kind]()[0], seed=4)))
    assert same(read(feed, 2, 2), first[2:4])
    assert feed.repeatable
    assert "can be resumed and repeated" in feed.note


@kinds
def test_generators_of_the_user_stay_as_they_were(kind):
    loader, generators = MAKERS[kind]()
    before = list(map(drawn, generators))
    feed = feed_of(loader)
    read(feed)
    read(feed, count=2)  # an iterator that is left in its middle
    assert list(map(drawn, generators)) == before


def test_two_readings_at_once_have_generators_of_their_own():
    feed = feed_of(MAKERS["of the rows"]()[0])
    whole, others = forms.batches_of(feed), []
    for _ in feed.begin().open(0):
        others.append(forms.batches_of(feed, count=1)[0][0])
    assert all(np.array_equal(whole[0][0], other) for other in others)
    assert len(others) == STEPS


def test_an_order_that_no_seed_gives_again_is_said():
    feed = feed_of(forms.loader(sampler=Counting()))
    assert not feed.repeatable
    assert "resumed but not repeated" in feed.note
    assert "sampler" in feed.note


def whole_rows():
    return utils.TensorDataset(*map(torch.tensor, (forms.X, forms.Y)))


class Stream(utils.IterableDataset):
    def __iter__(self):
        return iter(forms.generated(0))


@pytest.mark.parametrize("place", ["train", "validation", "of the seed"])
@pytest.mark.parametrize("rows", [whole_rows, Stream])
def test_rows_of_pytorch_need_a_loader(rows, place):
    arrays = forms.X, forms.Y
    data = {
        "train": [rows()],
        "validation": [arrays, rows()],
        "of the seed": [lambda seed: rows()],
    }[place]
    said = f"must be in a DataLoader.*{type(rows()).__name__}.*DataLoader\\(dataset"
    with pytest.raises(TypeError, match=said) as caught:
        forms.seeded_data(*data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("steps", [None, STEPS])
def test_of_an_iterator_the_loader_is_asked_for(steps):
    with pytest.raises(TypeError, match="Pass the DataLoader itself"):
        feed_of(iter(forms.loader()), steps_per_epoch=steps)
    with pytest.raises(TypeError, match="Pass the DataLoader itself"):
        forms.seeded_data((forms.X, forms.Y), iter(forms.loader()))
    assert feed_of(lambda seed: iter(forms.loader())).steps_per_epoch == STEPS


def test_workers_that_go_on_to_the_next_pass_are_said():
    loader = forms.loader(shuffle=True)
    object.__setattr__(loader, "persistent_workers", True)  # without any process
    assert "persistent_workers" in feed_of(loader).note
