"""Data in every form: which batches a training gets, in which order."""

import keras
import numpy as np
import pytest

from tests.bindings.keras3 import forms, models
from tests.bindings.keras3.forms import (
    BATCH,
    EXAMPLES,
    STEPS,
    X,
    Y,
    batches_of,
    feed_of,
    read,
    same,
    seeded_data,
)
from tests.bindings.keras3.models import BACKEND
from tf_lottery import Trainer
from tf_lottery.core.plan import Plan
from tf_lottery.core.seeds import row_order

pytestmark = pytest.mark.filterwarnings("ignore:The batches of `dataset` are counted")


def pandas():
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(X), pandas.Series(Y)


def jax_arrays():
    jax = pytest.importorskip("jax")
    return jax.numpy.asarray(X), jax.numpy.asarray(Y)


def torch_tensors():
    return tuple(map(forms.torch().tensor, (X, Y)))


ARRAYS = {
    "arrays": lambda: (X, Y),
    "lists": lambda: (X.tolist(), Y.tolist()),
    "pandas": pandas,
    "float64": lambda: (X.astype("float64"), Y),
    "tensors of PyTorch": torch_tensors,
    "arrays of JAX": jax_arrays,
    "tensors of the backend": lambda: (keras.ops.convert_to_tensor(X), Y),
}
SEEDED = {
    "sequence": forms.Dataset,
    "function that generates": lambda: forms.generated,
    "sequence that changes": lambda: lambda seed: forms.Changing(),
    "loader": lambda: forms.loader(shuffle=True),
    "loader with a generator": forms.drawing_loader,
    "loader with a drawing sampler": forms.sampling_loader,
    "loader of unknown length": forms.streaming_loader,
    "dataset": lambda: forms.shuffled,
    "dataset of unknown length": lambda: forms.unknown,
}


def in_order(seed, number):
    """The rows of the batches of a pass, as every Keras and backend reads them."""
    order = row_order(seed, number, EXAMPLES)
    return [X[order[start : start + BATCH], 0] for start in range(0, EXAMPLES, BATCH)]


@pytest.mark.parametrize("form", ARRAYS)
def test_rows_are_ordered_by_seed_and_pass(form):
    feed = feed_of(ARRAYS[form](), batch_size=BATCH, seed=3)
    assert feed.steps_per_epoch == STEPS
    assert same(read(feed), in_order(3, 0))
    assert same(read(feed, STEPS), in_order(3, 1))
    x, y = batches_of(feed, count=1)[0]
    assert x.dtype == np.float32
    assert y.ravel().tolist() == Y[row_order(3, 0, EXAMPLES)[:BATCH]].tolist()


def test_batches_of_a_sequence_are_ordered_by_seed_and_pass():
    feed = feed_of(forms.Dataset(), seed=3)
    expected = [X[BATCH * n : BATCH * (n + 1), 0] for n in row_order(3, 1, STEPS)]
    assert same(read(feed, STEPS), expected)


@pytest.mark.parametrize("form", [*SEEDED, "arrays"])
@pytest.mark.parametrize("step", [1, STEPS, STEPS + 2])
def test_a_feed_is_opened_at_any_step(form, step):
    feed = feed_of({**SEEDED, **ARRAYS}[form]())
    count = feed.steps_per_epoch - step % feed.steps_per_epoch
    passes = feed.begin()
    whole = []
    for number in range(0, step + count, feed.steps_per_epoch):
        found = forms.first_columns(passes.open(number), feed.steps_per_epoch)
        whole += found
    found = read(feed, step, count)
    assert len(found) == count
    assert same(found, whole[step : step + count])


@pytest.mark.parametrize("form", SEEDED)
def test_every_training_and_process_gets_the_same_batches(form):
    feed, again = feed_of(SEEDED[form]()), feed_of(SEEDED[form]())
    assert same(read(feed), read(feed))
    assert same(read(feed), read(again))
    assert sorted(np.concatenate(read(feed))) == sorted(X[:, 0])


@pytest.mark.parametrize("form", ["loader", "loader with a generator", "dataset"])
def test_other_seeds_give_other_orders(form):
    feeds = [feed_of(SEEDED[form](), seed=seed) for seed in (0, 1)]
    assert not same(*map(read, feeds))


def test_weights_of_examples_follow_their_rows():
    weights = np.arange(EXAMPLES, dtype="float32")
    order = row_order(0, 0, EXAMPLES)[:BATCH]
    x, _, found = batches_of(feed_of((X, Y, weights), batch_size=BATCH), count=1)[0]
    assert np.array_equal(x, X[order])
    assert np.array_equal(found.ravel(), weights[order])


def test_dicts_of_inputs_stay_dicts():
    feed = feed_of(({"left": X, "right": -X}, Y), batch_size=BATCH)
    x, _ = batches_of(feed, count=1)[0]
    assert np.array_equal(x["left"], X[row_order(0, 0, EXAMPLES)[:BATCH]])
    assert np.array_equal(x["left"], -x["right"])


@pytest.mark.parametrize("form", ["arrays", "sequence", "loader"])
def test_class_weights_become_weights_of_examples(form):
    weight = {0: 1.0, 1: 5.0, 2: 0.5, 3: 2.0}
    feed = feed_of({**SEEDED, **ARRAYS}[form](), class_weight=weight)
    for _, y, found in batches_of(feed):
        assert found.ravel().tolist() == [weight[int(label)] for label in y.ravel()]


class Whole(keras.utils.PyDataset):
    """Some rows as one batch."""

    def __init__(self, rows):
        super().__init__()
        self.rows = rows

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.rows


@pytest.mark.parametrize("form", ["arrays", "sequence", "loader"])
def test_integer_weights_of_examples_count_like_fractional_ones(form):
    class_weight = {0: 0.5, 1: 0.5, 2: 0.9, 3: 0.7}
    model, losses = models.compiled(models.tiny()), []
    for dtype in ("int64", "float32"):
        weights = (1 + np.arange(EXAMPLES) % 3).astype(dtype)
        data = {
            "arrays": lambda rows: rows,
            "sequence": Whole,
            "loader": lambda rows: forms.loader(list(zip(*rows, strict=True))),
        }[form]((X, Y, weights))
        trainer = Trainer(model, data, Plan(), class_weight=class_weight)
        losses.append(trainer.train(trainer.dense()).metrics["loss"])
    assert losses[0] == losses[1] != 0


def test_the_last_rows_are_split_off_for_validation():
    found = seeded_data((X, Y), validation_split=0.25, plan=Plan(batch_size=BATCH))
    rows = [np.asarray(batch[0]) for batch in found.evaluated["val"]]
    at = int(EXAMPLES * 0.75)
    assert np.array_equal(np.concatenate(rows), X[at:])
    assert found.feed.steps_per_epoch == -(-at // BATCH)


@pytest.mark.parametrize("form", ["arrays", "sequence", "loader", "dataset"])
def test_validation_data_are_read_whole_in_any_form(form):
    made = {**SEEDED, **ARRAYS, "dataset": lambda: forms.shuffled(0)}[form]()
    found = seeded_data((X, Y), made).evaluated["val"]
    for _ in range(2):
        rows = np.concatenate([np.asarray(batch[0]) for batch in found])
        assert sorted(rows[:, 0]) == sorted(X[:, 0])


def test_on_epoch_end_is_called_between_passes():
    dataset = forms.Changing()
    feed, ended = feed_of(dataset), []
    for number in range(3):
        read(feed, STEPS * number)
        ended.append(dataset.ended)
    assert ended == [0, 1, 2]


def test_a_sequence_without_end_is_read_in_its_order():
    feed = feed_of(forms.Endless(), steps_per_epoch=4)
    expected = [forms.Endless()[index][0][:, 0] for index in range(9)]
    for _ in range(2):
        assert same(read(feed, 0, 9), expected)
    assert same(read(feed, 5, 3), expected[5:8])
    assert (feed.steps_per_epoch, feed.repeatable) == (4, True)
    assert "no end" in feed.note


def test_epochs_of_a_sequence_without_end_change_it():
    feed = feed_of(lambda seed: forms.EndlessChanging(), steps_per_epoch=4)
    assert feed.repeatable
    for _ in range(2):
        batches, second = feed.begin(), forms.EndlessChanging()
        second.ended = 1
        batches.open(0)
        found = forms.first_columns(batches.open(4), 2)
        assert same(found, [second[index][0][:, 0] for index in (4, 5)])
        assert same(found, read(feed, 4, 2))
    assert not feed_of(forms.EndlessChanging(), steps_per_epoch=4).repeatable


@pytest.mark.parametrize("length", [{"epochs": 2}, {"steps": 6}])
def test_a_sequence_without_end_trains(length):
    plan = Plan(rounds=1, steps_per_epoch=4, **length)
    trainer = Trainer(models.compiled(models.tiny()), forms.Endless(), plan)
    assert trainer.train(trainer.dense()).last_step in (6, 8)


def test_a_generator_goes_on_from_training_to_training():
    feed = feed_of(forms.endless(), steps_per_epoch=STEPS)
    assert not feed.repeatable
    first, second = read(feed, count=2), read(feed, count=2)
    assert not same(first, second)


def test_an_endless_dataset_is_read_on_over_its_passes():
    def dataset(seed):
        return forms.shuffled(seed).repeat()

    feed = feed_of(dataset, steps_per_epoch=4)
    assert feed.steps_per_epoch == 4
    assert same(read(feed, 5, 3), read(feed, 0, 8)[5:])


def test_what_a_loader_draws_leaves_the_generators_of_the_process_alone():
    torch = forms.torch()
    torch.manual_seed(1)
    expected = torch.rand(3).tolist()
    torch.manual_seed(1)
    read(feed_of(forms.loader(shuffle=True)))
    assert torch.rand(3).tolist() == expected


@pytest.mark.skipif(BACKEND == "tensorflow", reason="it takes sparse rows")
def test_sparse_rows_are_refused():
    scipy = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match="Make them dense"):
        feed_of((scipy.csr_matrix(X), Y))
