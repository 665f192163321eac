"""Indices that an `Embedding` has no row for are one error, before training."""

import numpy as np
import pytest

from tests.models import CLASSES, compiled, keras, layers, tf
from tf_lottery import Plan
from tf_lottery.training.trainer import Trainer

LABELS = np.arange(32) % CLASSES


def embedded(*before):
    inner = [layers.Embedding(10, 4, name="words"), layers.Flatten()]
    first = [keras.Input((4,), name="ids"), *before]
    return compiled(keras.Sequential([*first, *inner, layers.Dense(CLASSES)]))


def ids(value):
    found = np.arange(32 * 4).reshape(32, 4) % 10
    found[3, 1] = value
    return found


@pytest.mark.parametrize("value", [10, -1])
@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_indices_out_of_range_are_refused(value, dtype):
    data = ids(value).astype(dtype), LABELS
    with pytest.raises(
        ValueError, match=rf"'ids' .*from 0 to 9.*'words'.*: {value} in"
    ):
        Trainer(embedded(), data, Plan())


def test_validation_data_are_looked_at_too():
    good, bad = (ids(9), LABELS), (ids(10), LABELS)
    with pytest.raises(ValueError, match=r"`validation_data` must be indices"):
        Trainer(embedded(), good, Plan(), validation_data=bad)


def test_an_input_that_a_layer_changes_first_is_taken():
    clipped = layers.Lambda(lambda x: tf.clip_by_value(x, 0, 9))
    Trainer(embedded(clipped), (ids(10), LABELS), Plan())


def test_in_a_dataset_the_error_of_the_step_says_what_to_do():
    rows = tf.data.Dataset.from_tensor_slices((ids(10), LABELS)).batch(16)
    trainer = Trainer(embedded(), rows.map(lambda x, y: (x, y)), Plan())
    with pytest.raises(RuntimeError, match=r"= 10 is not in \[0, 10\).*`input_dim`"):
        trainer.train(trainer.dense())
