"""Data as `fit` takes them: each form gives the batches that it should, and resumes."""

import itertools

import numpy as np
import pytest
import scipy.sparse

from tests.fakes import Killed
from tests.models import (
    BATCH,
    EXAMPLES,
    FEATURES,
    STEPS,
    arrays,
    batches,
    compiled,
    equal,
    keras,
    layers,
    mirrored,
    tf,
    tiny,
)
from tests.training.trainings import Kill, assert_same_rounds
from tf_lottery import Data, find_ticket, one_shot
from tf_lottery.core.plan import Plan
from tf_lottery.export import sample
from tf_lottery.training import arrays as rows
from tf_lottery.training import feeding
from tf_lottery.training.data import Given, first_batches, resolve
from tf_lottery.training.stream import Stream
from tf_lottery.training.trainer import Trainer

slow = pytest.mark.slow
pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket matches|Without")


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


def feed_of(data, **plan):
    plan = Plan(**plan)
    return Stream(Given(data), plan, False).feed


def read(feed, step=0, count=STEPS):
    """The first inputs of batches from a step on."""
    return [b[0].numpy()[:, 0] for b in itertools.islice(feed.open(step), count)]


def same(mine, theirs):
    return len(mine) == len(theirs) and all(map(np.array_equal, mine, theirs))


# Rows in memory.


@pytest.mark.parametrize(
    "given, dtype, shape",
    [
        ([[1.0, 2.0], [3.0, 4.0]], tf.float32, (2, 2)),
        ([1, 2, 3], tf.int64, (3,)),
        (tf.constant([1.0, 2.0]), tf.float32, (2,)),
        ([tf.constant(1), tf.constant(2)], tf.int32, (2,)),
        (np.array(["a", "bc"]), tf.string, (2,)),
        (np.array(["a", "bc"], object), tf.string, (2,)),
        (["a", "bc"], tf.string, (2,)),
        ([["a"], ["bc"]], tf.string, (2, 1)),
        (np.array([1, 2], np.float16), tf.float16, (2,)),
    ],
    ids=str,
)
def test_rows_become_tensors_as_in_keras(given, dtype, shape):
    tensor = tf.convert_to_tensor(rows.as_arrays(given))
    assert tensor.dtype == dtype
    assert tensor.shape == shape


class Series:
    """What is used of a pandas Series, which is not installed."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def __len__(self):
        return len(self.values)

    def to_numpy(self):
        return self.values


def test_a_series_is_a_column_and_a_frame_a_matrix():
    assert rows.as_arrays(Series([1, 2])).shape == (2, 1)
    assert rows.as_arrays(Series([[1, 2, 3]])).shape == (1, 3)


def test_lists_of_arrays_are_several_inputs():
    x = np.zeros((4, 2))
    one, two = rows.as_arrays([x, [[1], [2], [3], [4]]])
    assert one.shape == (4, 2)
    assert two.shape == (4, 1)


SPARSE = {
    "SciPy": scipy.sparse.csr_matrix,
    "SparseTensor": lambda x: tf.sparse.from_dense(x),
}


@pytest.mark.parametrize("form", SPARSE)
def test_sparse_rows_come_as_dense_ones_do(form):
    x, y = arrays()
    x = np.where(np.abs(x) > 1, x, 0)
    dense, sparse = feed_of((x, y)), feed_of((SPARSE[form](x), y))
    assert dense.steps_per_epoch == sparse.steps_per_epoch
    pairs = zip(dense.open(2), sparse.open(2), strict=False)
    for one, other in itertools.islice(pairs, 4):
        assert np.array_equal(one[0], tf.sparse.to_dense(other[0]))
        assert np.array_equal(one[1], other[1])


def test_sparse_rows_of_three_axes_come_as_dense_ones_do():
    x = np.where(np.arange(60).reshape(5, 3, 4) % 7 == 0, 1.0, 0).astype(np.float32)
    dense, sparse = feed_of((x, x)), feed_of((tf.sparse.from_dense(x), x))
    one, other = next(dense.open(0))[0], next(sparse.open(0))[0]
    assert np.array_equal(one, tf.sparse.to_dense(other))


def test_ragged_rows_come_as_dense_ones_do():
    number = np.arange(20)
    ragged = tf.RaggedTensor.from_row_lengths(np.repeat(number, 3), [3] * 20)
    dense, feed = (feed_of((x, number), batch_size=4) for x in (number, ragged))
    for one, other in itertools.islice(
        zip(dense.open(0), feed.open(0), strict=False), 6
    ):
        assert np.array_equal(one[0], other[0].to_tensor()[:, 0])


def test_contents_of_every_form_are_told_apart():
    def facts(x):
        return Stream(Given((x, np.zeros(2))), Plan(), False).facts["dataset"]

    ragged = [tf.ragged.constant([[1], [2, part]]) for part in (3, 4)]
    sparse = [tf.sparse.from_dense([[0, 1], [0, part]]) for part in (3, 4)]
    texts = [np.array(["a", part], object) for part in ("b", "c")]
    for one, other in (ragged, sparse, texts):
        assert facts(one) == facts(one) != facts(other)


# Batches that Python code makes.


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


def test_on_epoch_end_is_called_for_passes_that_were_done_before():
    through, resumed = feed_of(Changing()), feed_of(Changing())
    for number in range(3):
        read(through, STEPS * number)
    resumed.forward([(0, 3 * STEPS)])
    fourth = read(through, 3 * STEPS)
    assert same(fourth, read(resumed, 3 * STEPS))
    assert not same(fourth, read(feed_of(Changing()), 3 * STEPS))


def test_a_function_generates_anew_for_each_pass_and_seed():
    feed = feed_of(generated)
    assert feed.steps_per_epoch == STEPS
    assert same(read(feed), read(feed, STEPS))
    assert same(read(feed_of(generated, seed=1)), [b[0][:, 0] for b in generated(1)])


def test_a_function_may_return_generators_of_all_parts():
    data = lambda seed: Data(generated(seed), generated(1), Sequence())  # noqa: E731
    found = feeding.evaluated(resolve(data, None, None, Plan()), Plan())
    for part in found.values():
        for _ in range(2):  # as evaluation is done again
            assert len(list(part)) == STEPS


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
    stream = Stream(Given(unknown()), Plan(), False)
    assert stream.counted == stream.feed.steps_per_epoch == STEPS


def test_steps_per_epoch_saves_counting():
    stream = Stream(Given(unknown()), Plan(steps_per_epoch=4), False)
    assert (stream.counted, stream.feed.steps_per_epoch) == (None, 4)
    assert len(read(stream.feed, 0, 9)) == 9


# Searches.


FORMS = {
    "sequence": (Sequence, {}),
    "sequence that changes": (Changing, {}),
    "function that generates": (lambda: generated, {}),
    "generated for steps": (lambda: lambda seed: endless(), {"steps_per_epoch": 4}),
    "unknown length": (unknown, {}),
}


def searched(form, run_dir, *kill):
    data, more = FORMS[form]
    callbacks = [Kill(*kill)] if kill else []

    def in_round(round, replicate, control):
        return callbacks if round == 1 else []

    model = compiled(tiny())
    try:
        return find_ticket(
            model,
            data(),
            1,
            epochs=2,
            validation_data=Sequence(2),
            run_dir=run_dir,
            callbacks=in_round,
            verbose=0,
            **more,
        )
    except Killed:
        return None


@pytest.mark.parametrize(
    "form",
    [
        *("sequence that changes", "function that generates", "unknown length"),
        *(
            pytest.param(name, marks=slow)
            for name in ("sequence", "generated for steps")
        ),
    ],
)
def test_a_search_in_this_form_is_resumed_bit_for_bit(form, tmp_path, always_written):
    whole = searched(form, tmp_path / "whole")
    assert searched(form, tmp_path / "killed", "on_epoch_begin", 1) is None
    resumed = searched(form, tmp_path / "killed")
    assert_same_rounds(resumed.history, whole.history)


def test_a_generator_that_was_passed_as_it_is_can_be_resumed(tmp_path, always_written):
    def search(*kill):
        try:
            return find_ticket(
                compiled(tiny()),
                endless(),
                1,
                steps_per_epoch=4,
                run_dir=tmp_path,
                callbacks=[Kill(*kill)] if kill else [],
                verbose=0,
            )
        except Killed:
            return None

    assert search("on_train_end") is None
    assert len(search().history) == 2


def test_the_order_of_a_counted_dataset_is_its_own():
    """Counted or promised, it trains the same; only the first shuffle is counting's."""
    data = batches().filter(lambda x, y: True)
    promise = tf.data.experimental.assert_cardinality(STEPS)
    outcomes = []
    for each in (data, data.apply(promise), batches()):
        trainer = Trainer(compiled(tiny()), each, Plan())
        outcomes.append(trainer.train(trainer.dense()))
    assert all(equal(outcomes[0].weights, each.weights) for each in outcomes[1:])


def strings_model():
    keras.utils.set_random_seed(1)
    text = keras.Input((1,), dtype=tf.string, name="text")
    code = layers.Hashing(10)(text)
    flat = layers.Flatten()(layers.Embedding(10, 4, name="embedding")(code))
    return compiled(keras.Model(text, layers.Dense(3, name="logits")(flat)))


def ragged_model():
    keras.utils.set_random_seed(1)
    ids = keras.Input((None,), dtype="int64", ragged=True, name="ids")
    mean = layers.Lambda(lambda t: tf.reduce_mean(t, 1))
    vectors = mean(layers.Embedding(10, 4, name="embedding")(ids))
    return compiled(keras.Model(ids, layers.Dense(3, name="logits")(vectors)))


def sparse_model():
    keras.utils.set_random_seed(1)
    x = keras.Input((FEATURES,), sparse=True, name="x")
    return compiled(keras.Model(x, layers.Dense(3, name="logits")(x)))


def rows_of(form):
    x, y = arrays()
    words = np.array(["red", "blue", "green"], object)[y]
    return {
        "strings": (strings_model, words),
        "ragged": (ragged_model, tf.ragged.constant([[v] * (v + 1) for v in y])),
        "sparse": (sparse_model, tf.sparse.from_dense(x)),
        "SciPy": (sparse_model, scipy.sparse.csr_matrix(x)),
    }[form]


@pytest.mark.parametrize(
    "form", ["strings", "ragged", "sparse", pytest.param("SciPy", marks=slow)]
)
def test_rows_of_other_kinds_train(form):
    model, x = rows_of(form)
    data = x, arrays()[1]
    trainer = Trainer(model(), data, Plan(epochs=3), validation_data=data)
    outcome = trainer.train(trainer.dense())
    assert outcome.curves["loss"][-1] < outcome.curves["loss"][0]
    assert "val_loss" in outcome.metrics


def brings_its_loss():
    model = tiny()
    model = keras.Model(model.inputs, model.outputs)
    model.add_loss(tf.reduce_mean(tf.square(model.outputs[0])))
    model.compile("adam")
    return model


@pytest.mark.parametrize(
    "form",
    [
        lambda x: x,
        lambda x: (x,),
        lambda x: (x, None),
        lambda x: {"features": x},
        lambda x: tf.data.Dataset.from_tensor_slices(x).batch(32),
        lambda x: tf.data.Dataset.from_tensor_slices((x,)).batch(32),
    ],
    ids=["x", "(x,)", "(x, None)", "dict", "dataset of x", "dataset of (x,)"],
)
def test_x_alone_trains_a_model_that_brings_its_loss(form):
    x = arrays()[0]
    trainer = Trainer(
        brings_its_loss(), form(x), Plan(epochs=2), validation_data=form(x)
    )
    curve = trainer.train(trainer.dense()).curves["val_loss"]
    assert curve[1] < curve[0]


@pytest.mark.parametrize(
    "form",
    [
        Sequence,
        pytest.param(lambda: generated, marks=slow),
        pytest.param(unknown, marks=slow),
    ],
)
def test_replicas_share_what_python_and_unknown_datasets_give(form):
    outcomes = []
    for strategy in (None, mirrored()):
        trainer = Trainer(compiled(tiny()), form(), Plan(), strategy=strategy)
        outcomes.append(trainer.train(trainer.dense()))
    one, two = (outcome.weights for outcome in outcomes)
    assert all(np.allclose(one[name], two[name], atol=1e-5) for name in one)


def test_ragged_rows_are_not_shared_among_replicas():
    model, x = rows_of("ragged")
    with pytest.raises(ValueError, match="must be dense to be shared among replicas"):
        Trainer(model, (x, arrays()[1]), Plan(), strategy=mirrored())


# Passes of another length.


def promised(length):
    promise = tf.data.experimental.assert_cardinality(length)
    return batches().filter(lambda x, y: True).apply(promise)


def changing_length(lengths):
    lengths = iter(lengths)

    def data(seed):
        yield from itertools.islice(generated(seed), next(lengths))

    return data


@pytest.mark.parametrize(
    "data, said, plan",
    [
        (promised(9), r"promised, 9\. Received: 6 .* round 0, at step 6", {}),
        (promised(4), r"promised, 4\. Received: more than 4 .* round 0, at step 4", {}),
        (
            changing_length([6, 6, 6, 5]),
            r"counted or promised, 6\. Received: 5 .* round 0, at step 11\.",
            {"epochs": 2},
        ),
        (
            generated(0),
            "ended in round 0 at step 6.*function of the seed",
            {"steps_per_epoch": 9},
        ),
    ],
    ids=["longer", "shorter", "counted", "generator"],
)
def test_a_pass_of_another_length_is_one_error(data, said, plan):
    with pytest.raises(RuntimeError, match=said) as caught:
        find_ticket(compiled(tiny()), data, 1, verbose=0, **plan)
    assert "\n" not in str(caught.value)


# What is refused, and said.


@pytest.mark.parametrize(
    "data, error, said",
    [
        (generated(0), ValueError, "Pass a function of the seed that returns a gen"),
        (lambda: arrays(), TypeError, r"Write `def dataset\(seed\):`"),
        (endless, TypeError, r"`endless`, which cannot .* Write `def endless\(seed"),
        (lambda seed: iter(()), ValueError, "at least one batch"),
        (Sequence(0), ValueError, "at least one batch"),
    ],
    ids=["generator", "no argument", "generator function", "empty", "no batches"],
)
def test_what_cannot_be_read_again_is_refused(data, error, said):
    with pytest.raises(error, match=said):
        find_ticket(compiled(tiny()), data, 1, verbose=0)


def test_a_generator_is_no_validation_data():
    with pytest.raises(ValueError, match="read more than once"):
        Trainer(compiled(tiny()), arrays(), Plan(), validation_data=generated(0))


@pytest.mark.parametrize("search", [find_ticket, one_shot])
def test_labels_as_a_second_argument_are_refused(search):
    with pytest.raises(TypeError, match=r"Pass `\(x, y\)`, not x and y"):
        search(compiled(tiny()), *arrays(), verbose=0)
    with pytest.raises(TypeError, match=r"`\(x, y\)`"):
        Trainer(compiled(tiny()), *arrays())


def test_refused_arrays_are_not_printed():
    x = np.array([[1], [1, 2]] * 500, object)
    with pytest.raises(TypeError, match=r"shape \(1000,\) and dtype object") as caught:
        feeding.feed((x, np.zeros(1000)), Plan())
    assert len(str(caught.value)) < 500
    with pytest.raises(TypeError, match=r"a list of 96 parts.*tf\.ragged\.constant"):
        feeding.feed(([[1], [1, 2]] * 48, np.zeros(96)), Plan())


@pytest.mark.parametrize(
    "data, plan, said",
    [
        (arrays(), {}, ""),
        (batches(), {}, ""),
        (Sequence(), {}, "follows from seed and pass"),
        (Changing(), {}, "calls it again for the passes before"),
        (generated, {}, "called with the seed again for each pass"),
        (endless(), {"steps_per_epoch": 4}, "not repeated"),
        (unknown(), {}, "`dataset` has 6 batches, counted in a first pass."),
        (batches().shuffle(9), {}, "resumed but not repeated"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_form_means_is_said_in_one_line(data, plan, said):
    note = Stream(Given(data), Plan(**plan), False).note
    assert said in note
    assert "\n" not in note
    assert bool(note) == bool(said)


def test_the_line_is_printed_once(capsys):
    find_ticket(compiled(tiny()), generated, 1, verbose=2)
    assert capsys.readouterr().out.count("is called with the seed again") == 1


def test_batches_of_python_code_are_not_shared_with_other_searches():
    trainer = Trainer(compiled(tiny()), Sequence(), Plan())
    assert "Python code" in trainer.unknown


# What other parts of the package read of them.


@pytest.mark.parametrize("form", [Sequence, lambda: generated(0), unknown, arrays])
def test_the_first_batches_are_taken_of_any_form(form):
    taken = first_batches(form(), 2, BATCH)
    stream = Stream(Given(taken), Plan(batch_size=None), False)
    assert sum(map(len, read(stream.feed, 0, stream.feed.steps_per_epoch))) == 2 * BATCH


def test_a_sequence_is_a_sample_for_exports():
    data = resolve(Sequence(), None, None, Plan())
    found = sample.of_search(data, tiny())
    assert np.array_equal(found.inputs[0], arrays()[0])
