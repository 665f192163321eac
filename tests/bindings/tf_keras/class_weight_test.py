"""`class_weight` and `validation_split` mean what they mean in Keras' `fit`."""

import numpy as np
import pytest

from tests.bindings.tf_keras.forms import seeded_data
from tests.models import (
    BATCH,
    CLASSES,
    arrays,
    batches,
    compiled,
    equal,
    keras,
    tf,
    tiny,
)
from tests.training.trainings import weights_of
from tf_lottery import Plan, PlanMismatchError, find_ticket
from tf_lottery.bindings.tf_shared.data.class_weight import weighing
from tf_lottery.training.trainer import Trainer

pytestmark = pytest.mark.filterwarnings(
    "ignore:No ticket|The ticket|Without|No verdict"
)
WEIGHTS = {0: 1.0, 1: 5.0, 2: 0.5}
layers = keras.layers


def trained(data, **arguments):
    """The weights after an epoch."""
    model = arguments.pop("model", None) or compiled(tiny())
    trainer = Trainer(
        model, data, Plan(batch_size=arguments.pop("size", None)), **arguments
    )
    return trainer.train(trainer.dense())


def one_hot():
    model = tiny()
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss, metrics=["accuracy"])
    return model


@pytest.mark.parametrize("labels", ["class numbers", "one-hot"])
def test_an_epoch_of_a_dataset_is_that_of_keras(labels):
    if labels == "one-hot":
        model, data = one_hot(), batches().map(lambda x, y: (x, tf.one_hot(y, CLASSES)))
    else:
        model, data = compiled(tiny()), batches()
    outcome = trained(data, model=model, class_weight=WEIGHTS)
    history = model.fit(data, class_weight=WEIGHTS, verbose=0).history
    assert equal(outcome.weights, weights_of(model))
    assert outcome.metrics["loss"] == pytest.approx(history["loss"][0])


@pytest.mark.first_case
@pytest.mark.parametrize("labels", ["class numbers", "a column", "one-hot"])
def test_classes_of_arrays_are_weights_of_examples(labels):
    x, y = arrays()
    sample_weight = np.array([WEIGHTS[label] for label in y], np.float32)
    model = one_hot if labels == "one-hot" else lambda: compiled(tiny())
    y = {"class numbers": y, "a column": y[:, None], "one-hot": np.eye(CLASSES)[y]}[
        labels
    ]
    mine = trained((x, y), model=model(), class_weight=WEIGHTS)
    theirs = trained((x, y, sample_weight), model=model())
    assert equal(mine.weights, theirs.weights)
    assert mine.metrics["loss"] == theirs.metrics["loss"]


def test_weights_of_classes_and_examples_are_multiplied():
    x, y = arrays()
    own = np.linspace(0.5, 1.5, len(y)).astype(np.float32)
    of_class = np.array([WEIGHTS[label] for label in y], np.float32)
    mine = trained((x, y, own), class_weight=WEIGHTS)
    theirs = trained((x, y, own * of_class))
    assert equal(mine.weights, theirs.weights)


@pytest.mark.parametrize("form", ["arrays", "dataset", "sequence"])
def test_integer_weights_of_examples_count_like_fractional_ones(form):
    (x, y), class_weight = arrays(), {0: 0.5, 1: 0.5, 2: 0.9}
    losses = []
    for dtype in (np.int64, np.float32):
        rows = x, y, (1 + np.arange(len(y)) % 3).astype(dtype)
        data = {
            "arrays": lambda rows: rows,
            "dataset": lambda rows: tf.data.Dataset.from_tensors(rows),
            "sequence": Once,
        }[form](rows)
        losses.append(trained(data, class_weight=class_weight).metrics["loss"])
    assert losses[0] == losses[1] != 0


class Once(keras.utils.Sequence):
    """One batch."""

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.rows


def test_validation_is_not_weighted():
    x, y = arrays(32, 1)
    model = compiled(tiny())
    outcome = trained(
        batches(), model=model, class_weight=WEIGHTS, validation_data=(x, y)
    )
    model.fit(batches(), class_weight=WEIGHTS, verbose=0)
    assert outcome.metrics["val_loss"] == pytest.approx(
        model.evaluate(x, y, verbose=0)[0]
    )


def test_weights_without_effect_train_the_same():
    ones = dict.fromkeys(range(CLASSES), 1)
    assert equal(
        trained(arrays(), class_weight=ones).weights, trained(arrays()).weights
    )


class Sequence(keras.utils.Sequence):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        x, y = arrays(BATCH, index)
        return x, y


def test_batches_of_a_sequence_are_weighted():
    stream = seeded_data(Sequence(), class_weight=WEIGHTS)
    for x, y, weights in stream.feed.begin().open(0):
        assert len(x) == BATCH
        assert weights.numpy().tolist() == [WEIGHTS[label] for label in y.numpy()]


@pytest.mark.parametrize(
    "weights, error, said",
    [
        ([1.0, 2.0], TypeError, "must be a dict"),
        ({1: 1.0, 2: 2.0}, ValueError, r"must be 0 to .*\[1, 2\]"),
        ({"a": 1.0}, ValueError, "must be 0 to"),
        ({0: 1.0, 1: "2"}, ValueError, "must be finite numbers"),
        ({0: 1.0, 1: float("nan")}, ValueError, "must be finite numbers"),
        ({0: 1.0, 1: 2.0}, ValueError, r"none for 2, of classes \[0, 1\]"),
    ],
    ids=str,
)
def test_weights_that_are_none_for_each_class_are_refused(weights, error, said):
    with pytest.raises(error, match=said):
        seeded_data(arrays(), class_weight=weights)


def test_classes_of_several_outputs_are_refused():
    x, y = arrays()
    for targets, found in (((y, y), "several outputs"), (None, "no labels")):
        with pytest.raises(ValueError, match=found):
            seeded_data((x, targets), class_weight=WEIGHTS)


def test_a_dataset_is_left_as_it_is_without_weights():
    data = batches()
    assert weighing(None)(data) is data


# The split.


@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.9])
def test_the_last_rows_are_validation_data(fraction):
    x, y = arrays()
    stream = seeded_data((x, y), validation_split=fraction)
    (train, _), (validation, labels) = stream.data.train, stream.data.validation
    expected = keras.src.engine.data_adapter.train_validation_split((x, y), fraction)
    assert np.array_equal(train, expected[0][0])
    assert np.array_equal(validation, expected[1][0])
    assert np.array_equal(labels, expected[1][1])


def test_a_split_trains_as_its_parts_do():
    x, y = arrays()
    mine = trained((x, y), validation_split=0.25)
    theirs = trained((x[:72], y[:72]), validation_data=(x[72:], y[72:]))
    assert equal(mine.weights, theirs.weights)
    assert mine.metrics == theirs.metrics


def test_every_part_of_the_arrays_is_split():
    x, y = arrays()
    ragged = tf.RaggedTensor.from_row_lengths(np.arange(192), [2] * 96)
    given = ({"a": x, "b": ragged, "c": tf.sparse.from_dense(x)}, y, np.ones(96))
    data = seeded_data(given, validation_split=0.25).data
    assert {part.shape[0] for part in tf.nest.flatten(data.validation)} == {24}
    inputs = data.validation[0]
    assert np.array_equal(inputs["b"].to_tensor(), np.arange(144, 192).reshape(24, 2))
    assert np.array_equal(tf.sparse.to_dense(inputs["c"]), x[72:])


def test_arrays_of_a_function_are_split_for_each_seed():
    stream = seeded_data(lambda seed: arrays(96, seed), validation_split=0.25)
    other = stream.of(Plan(seed=1))
    assert np.array_equal(other.data.validation[0], arrays(96, 1)[0][72:])


def test_replicates_of_arrays_share_the_split():
    stream = seeded_data(arrays(), validation_split=0.25)
    other = stream.of(Plan(seed=1))
    assert len(other.data.train[0]) == len(stream.data.train[0]) == 72


@pytest.mark.parametrize(
    "data, arguments, said",
    [
        (arrays(), {"validation_split": 20}, r"fraction in \(0, 1\).*write 0\.2"),
        (arrays(), {"validation_split": 0.0}, r"fraction in \(0, 1\)"),
        (arrays(2), {"validation_split": 0.6}, "leave examples"),
        (batches(), {"validation_split": 0.2}, "is for arrays.*`validation_data`"),
        (Sequence(), {"validation_split": 0.2}, "is for arrays"),
        (arrays(), {"validation_split": 0.2, "validation": arrays()}, "Leave one out"),
    ],
    ids=["percent", "zero", "too few", "dataset", "sequence", "twice"],
)
def test_splits_that_cannot_be_are_refused(data, arguments, said):
    with pytest.raises(ValueError, match=said):
        seeded_data(data, **arguments)


# Both are facts of a search.


def test_both_are_facts_of_the_data():
    weights = {0: 1, 1: 5, 2: 1}
    found = seeded_data(arrays(), class_weight=weights, validation_split=0.25)
    facts = found.facts["dataset"]
    assert facts["class_weight"] == {"0": 1.0, "1": 5.0, "2": 1.0}
    assert facts["validation_split"] == 0.25
    assert set(seeded_data(arrays()).facts["dataset"]) == {
        *("batches", "spec", "contents")
    }


def test_a_run_directory_is_held_against_both(tmp_path):
    def search(**arguments):
        return find_ticket(
            compiled(tiny()), arrays(), 1, run_dir=tmp_path, verbose=0, **arguments
        )

    search(class_weight=WEIGHTS, validation_split=0.25)
    with pytest.raises(PlanMismatchError, match="`dataset` class_weight"):
        search(class_weight=WEIGHTS | {0: 2.0}, validation_split=0.25)
    with pytest.raises(PlanMismatchError, match="`dataset`"):
        search(class_weight=WEIGHTS, validation_split=0.5)
