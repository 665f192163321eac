"""Examples to compare a file on: every form of data, and those that do not fit."""

import numpy as np
import pytest

from tests.models import arrays, keras, layers, tf, tiny
from tf_lottery.core.data import Data
from tf_lottery.core.errors import ExportError
from tf_lottery.export import sample

X, Y = arrays(20)
WORDS = np.arange(60).reshape(20, 3) % 7
WEIGHTS = np.ones(20, np.float32)
slices = tf.data.Dataset.from_tensor_slices


def two_inputs(nested=False):
    x = keras.Input((8,), name="zz")
    words = keras.Input((3,), dtype="int32", name="aa")
    vectors = layers.Flatten()(layers.Embedding(7, 2)(words))
    inputs = {"first": x, "second": words} if nested else [x, words]
    return keras.Model(inputs, layers.Dense(3)(layers.Concatenate()([x, vectors])))


ONE = {
    "x": (X, False),
    "x in a tuple": ((X,), False),
    "x, y": ((X, Y), True),
    "x, y, w": ((X, Y, WEIGHTS), True),
    "labels in a list": ((X, Y.tolist()), True),
    "a dict": (({"features": X}, Y), True),
    "batches of x": (slices(X).batch(6), False),
    "batches of (x,)": (slices((X,)).batch(6), False),
    "batches of x, y": (slices((X, Y)).batch(6), True),
    "batches of x, y, w": (slices((X, Y, WEIGHTS)).batch(6), True),
    "batches of a dict": (slices(({"features": X}, Y)).batch(6), True),
    "endless batches": (slices((X, Y)).batch(20).repeat(), True),
    "two kinds of labels": ((X, {"a": Y, "b": Y}), False),
}


@pytest.mark.parametrize("form", ONE)
def test_one_input(form):
    data, labelled = ONE[form]
    taken = sample.take(data, tiny(), "data", 20)
    assert len(taken) == 20
    np.testing.assert_array_equal(taken.inputs[0], X)
    assert taken.inputs[0].dtype == np.float32
    assert (taken.labels is not None) == labelled
    if labelled:
        np.testing.assert_array_equal(taken.labels, Y)


TWO = {
    "a tuple": ((X, WORDS), False),
    "a list": ([X, WORDS], False),
    "a list, y": (([X, WORDS], Y), True),
    "a tuple, y, w": (((X, WORDS), Y, WEIGHTS), True),
    "a dict": ({"aa": WORDS, "zz": X}, False),
    "a dict, y": (({"aa": WORDS, "zz": X, "more": X}, Y), True),
    "batches of a tuple": (slices((X, WORDS)).batch(6), False),
    "batches of a tuple, y": (slices(((X, WORDS), Y)).batch(6), True),
    "batches of a dict, y": (slices(({"zz": X, "aa": WORDS}, Y)).batch(6), True),
}


@pytest.mark.parametrize("form", TWO)
def test_two_inputs(form):
    data, labelled = TWO[form]
    taken = sample.take(data, two_inputs(), "data", 15)
    np.testing.assert_array_equal(taken.inputs[0], X[:15])
    np.testing.assert_array_equal(taken.inputs[1], WORDS[:15])
    assert taken.inputs[1].dtype == np.int32
    assert (taken.labels is not None) == labelled


def test_a_dict_goes_by_the_keys_that_the_model_was_built_with():
    taken = sample.take({"second": WORDS, "first": X}, two_inputs(nested=True), "data")
    np.testing.assert_array_equal(taken.inputs[0], X)
    np.testing.assert_array_equal(taken.inputs[1], WORDS)


def test_no_more_is_read_than_is_taken():
    def batches():
        yield X, Y
        raise AssertionError("it read on")

    spec = (tf.TensorSpec((None, 8)), tf.TensorSpec((None,), tf.int64))
    data = tf.data.Dataset.from_generator(batches, output_signature=spec)
    assert len(sample.take(data, tiny(), "data", 7)) == 7


WRONG = {
    "another shape": (X[:, :5], r"shape \(20, 5\)"),
    "labels of another length": ((X, Y[:7]), "7 and 20 examples"),
    "nothing": (X[:0], "0 examples"),
    "an empty dataset": (slices(X).batch(6).take(0), "an empty dataset"),
    "no batches": (slices((X, Y)), "not batched"),
    "another name": (({"x": X}, Y), "a dict without 'features'"),
    "words": (np.array([["a"] * 8]), "could not convert"),
    "one number": (3.0, "Data must be arrays|one row"),
    "two inputs": ([X, X], "."),
}


@pytest.mark.parametrize("form", WRONG)
def test_data_that_do_not_fit_are_named(form):
    data, received = WRONG[form]
    with pytest.raises(ExportError, match=received) as caught:
        sample.take(data, tiny(), "data given")
    assert "The data given must be" in str(caught.value)
    assert "features (None, 8)" in str(caught.value)


def test_test_data_come_before_validation_and_training():
    parts = {"train": (X[:2], Y[:2]), "validation": (X[:3], Y[:3]), "test": TEST}
    for origin, rows in (("test", 4), ("validation", 3), ("train", 2)):
        taken = sample.of_search(Data(**{"train": None} | parts), tiny())
        assert str(taken).startswith(f"{rows} examples of {origin}")
        del parts[origin]


TEST = (X[:4], Y[:4])


def test_inputs_by_chance_fit_and_are_always_the_same():
    first, again = (sample.random(two_inputs(), 50) for _ in range(2))
    for one, other in zip(first.inputs, again.inputs, strict=True):
        np.testing.assert_array_equal(one, other)
    numbers, words = first.inputs
    assert numbers.shape == (50, 8)
    (embedding,) = (
        layer for layer in two_inputs().layers if hasattr(layer, "input_dim")
    )
    assert set(np.unique(words)) == set(range(embedding.input_dim))
    assert first.labels is None


@pytest.mark.parametrize("shape, dtype", [((None, 3), "float32"), ((1,), "string")])
def test_no_inputs_by_chance_where_none_make_sense(shape, dtype):
    x = keras.Input(shape, dtype=dtype)
    with pytest.raises(ExportError, match="Pass `data=`"):
        sample.random(keras.Model(x, tf.identity(x)))


def test_a_column_of_one_axis_is_taken_as_keras_takes_it():
    x = keras.Input((1,))
    column = np.arange(4, dtype=np.float32)
    taken = sample.take((column, column), keras.Model(x, keras.layers.Dense(2)(x)), "x")
    assert taken.inputs[0].shape == (4, 1)
