"""Rows in memory: arrays, lists, strings, ragged and sparse rows."""

import itertools

import numpy as np
import pytest
import scipy.sparse

from tests.bindings.tf_keras.forms import (
    feed_of,
    seeded_data,
)
from tests.models import (
    arrays,
    tf,
)
from tf_lottery.bindings.tf_shared.data import arrays as rows


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
    pairs = zip(dense.begin().open(2), sparse.begin().open(2), strict=False)
    for one, other in itertools.islice(pairs, 4):
        assert np.array_equal(one[0], tf.sparse.to_dense(other[0]))
        assert np.array_equal(one[1], other[1])


def test_sparse_rows_of_three_axes_come_as_dense_ones_do():
    x = np.where(np.arange(60).reshape(5, 3, 4) % 7 == 0, 1.0, 0).astype(np.float32)
    dense, sparse = feed_of((x, x)), feed_of((tf.sparse.from_dense(x), x))
    one, other = next(dense.begin().open(0))[0], next(sparse.begin().open(0))[0]
    assert np.array_equal(one, tf.sparse.to_dense(other))


def test_ragged_rows_come_as_dense_ones_do():
    number = np.arange(20)
    ragged = tf.RaggedTensor.from_row_lengths(np.repeat(number, 3), [3] * 20)
    dense, feed = (feed_of((x, number), batch_size=4) for x in (number, ragged))
    for one, other in itertools.islice(
        zip(dense.begin().open(0), feed.begin().open(0), strict=False), 6
    ):
        assert np.array_equal(one[0], other[0].to_tensor()[:, 0])


def test_contents_of_every_form_are_told_apart():
    def facts(x):
        return seeded_data((x, np.zeros(2))).facts["dataset"]

    ragged = [tf.ragged.constant([[1], [2, part]]) for part in (3, 4)]
    sparse = [tf.sparse.from_dense([[0, 1], [0, part]]) for part in (3, 4)]
    texts = [np.array(["a", part], object) for part in ("b", "c")]
    for one, other in (ragged, sparse, texts):
        assert facts(one) == facts(one) != facts(other)
