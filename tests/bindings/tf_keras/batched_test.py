"""Sequences, generators, datasets of unknown length: which batches, in which order."""

import itertools

import numpy as np
import pytest

from tests.bindings.tf_keras.forms import (
    Changing,
    Endless,
    Plain,
    Sequence,
    endless,
    feed_of,
    first_inputs,
    generated,
    read,
    resolved,
    same,
    seeded_data,
    unknown,
)
from tests.models import (
    BATCH,
    STEPS,
    arrays,
    tiny,
)
from tf_lottery import Data
from tf_lottery.bindings.shared import source
from tf_lottery.bindings.tf_shared.data.forms import first_batches
from tf_lottery.core.plan import Plan
from tf_lottery.export import sample


@pytest.mark.parametrize("kind", [Sequence, Plain])
def test_batches_of_a_sequence_are_shuffled_by_seed_and_pass(kind):
    feed = feed_of(kind())
    first, second = read(feed), read(feed, STEPS)
    assert feed.steps_per_epoch == STEPS
    assert same(first, read(feed_of(kind())))
    assert not same(first, second)
    assert not same(first, read(feed_of(kind(), seed=1)))
    for each in (first, second):
        assert set(np.concatenate(each)) == set(arrays()[0][:, 0])


def test_batches_of_a_sequence_stay_whole():
    whole = {tuple(Sequence()[index][0][:, 0]) for index in range(STEPS)}
    assert {tuple(batch) for batch in read(feed_of(Sequence()))} == whole


@pytest.mark.parametrize("step", [2, STEPS + 1])
@pytest.mark.parametrize("form", [Sequence, Plain, lambda: generated])
def test_python_batches_open_at_any_step(form, step):
    feed = feed_of(form())
    offset = step % STEPS
    whole = read(feed, step - offset)
    assert same(read(feed, step, STEPS - offset), whole[offset:])


def test_on_epoch_end_is_called_between_passes():
    sequence = Changing()
    feed = feed_of(sequence)
    ended = []
    for number in range(3):
        read(feed, STEPS * number)
        ended.append(sequence.ended)
    assert ended == [0, 1, 2]


def test_on_epoch_end_is_called_for_passes_of_the_same_training():
    feed = feed_of(lambda seed: Changing())
    whole = feed.begin()
    passes = [first_inputs(whole, STEPS * number) for number in range(4)]
    assert not same(passes[0], passes[3])
    assert same(passes[0], read(feed))  # another training begins from the start
    assert same(passes[3], read(feed, 3 * STEPS))  # one that continues


def test_a_function_generates_again_for_each_pass_and_seed():
    feed = feed_of(generated)
    assert feed.steps_per_epoch == STEPS
    assert same(read(feed), read(feed, STEPS))
    assert same(read(feed_of(generated, seed=1)), [b[0][:, 0] for b in generated(1)])


def test_a_function_may_return_generators_of_all_parts():
    data = lambda seed: Data(generated(seed), generated(1), Sequence())  # noqa: E731
    for part in seeded_data(data).evaluated.values():
        for _ in range(2):  # as evaluation is done again
            assert len(list(part)) == STEPS


def test_a_sequence_without_end_is_read_in_its_order():
    feed = feed_of(Endless(), steps_per_epoch=4)
    expected = [Endless()[index][0][:, 0] for index in range(9)]
    assert same(read(feed, 0, 9), np.float32(expected))
    assert same(read(feed, 5, 3), np.float32(expected[5:8]))
    for data in ((Endless(),), (arrays(), Endless())):
        with pytest.raises(ValueError, match="endless"):
            seeded_data(*data)


def test_an_endless_generator_is_read_on():
    feed = feed_of(endless(), steps_per_epoch=4)
    order = [batch[0][:, 0] for batch in itertools.islice(endless(), 7)]
    assert same(read(feed, 0, 4) + read(feed, 4, 3), order)


def test_batches_of_other_sizes_and_lengths_are_taken():
    def data(seed):
        for length in (3, 5, 4):
            yield np.zeros((length, length + 1)), np.zeros(length)

    assert [len(batch) for batch in read(feed_of(data), 0, 3)] == [3, 5, 4]


def test_datasets_of_unknown_length_are_counted():
    stream = seeded_data(unknown())
    assert stream.feed.steps_per_epoch == STEPS
    assert f"has {STEPS} batches, counted" in stream.feed.note


@pytest.mark.parametrize("bound", [{"_LONG": 2}, {"_SECONDS": 0.0, "_LONG": 3}])
def test_a_long_count_is_said(bound, monkeypatch):
    for name, value in bound.items():
        monkeypatch.setattr(source, name, value)
    with pytest.warns(UserWarning, match=r"so far.*endless.*`steps_per_epoch`"):
        assert source.count(range(30)) == 30


def test_steps_per_epoch_saves_counting():
    stream = seeded_data(unknown(), plan=Plan(steps_per_epoch=4))
    assert stream.feed.steps_per_epoch == 4
    assert "counted" not in stream.feed.note
    assert len(read(stream.feed, 0, 9)) == 9


# What other parts of the package read of them.


@pytest.mark.parametrize("form", [Sequence, lambda: generated(0), unknown, arrays])
def test_the_first_batches_are_taken_of_any_form(form):
    taken = first_batches(form(), 2, BATCH)
    stream = seeded_data(taken, plan=Plan(batch_size=None))
    assert sum(map(len, read(stream.feed, 0, stream.feed.steps_per_epoch))) == 2 * BATCH


def test_a_sequence_is_a_sample_for_exports():
    data = resolved(Sequence())
    found = sample.of_search(data, tiny())
    assert np.array_equal(found.inputs[0], arrays()[0])
