"""Which form data have, and each in a form that can be read for every training."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.bindings.tf_keras.data import arrays
from tf_lottery.bindings.tf_keras.data.generators import (
    Generated,
    Once,
    count,
    is_generator,
)
from tf_lottery.bindings.tf_keras.data.sequences import Indexed, is_sequence
from tf_lottery.core.checks import check_fraction
from tf_lottery.core.data import Data
from tf_lottery.core.plan import Plan

BATCH_SIZE = 32  # as in Keras `fit`

# Batches that Python code makes.
Batched = Indexed | Generated | Once


def is_batches(value: Any) -> bool:
    """Whether it gives batches; sequences may be callable like a function."""
    return isinstance(value, tf.data.Dataset | Batched) or is_sequence(value)


def is_arrays(part: Any) -> bool:
    """Whether it is rows in memory, or what should be."""
    return not isinstance(part, tf.data.Dataset | Batched)


def part(value: Any, again: Callable[[], Any] | None = None) -> Any:
    """See `Binding.part`."""
    if isinstance(value, tf.data.Dataset | Batched) or value is None:
        return value
    if is_sequence(value):
        return Indexed(value)
    if is_generator(value):
        return Generated(again) if again else Once(value)
    return value


def of_known_length(train: Any, plan: Plan) -> tuple[Any, int | None]:
    """Training data of known length, and how many batches were counted for that.

    A dataset whose batches nobody has counted is counted, or repeated for
    `steps_per_epoch`.
    """
    unknown = tf.data.UNKNOWN_CARDINALITY
    if not isinstance(train, tf.data.Dataset) or int(train.cardinality()) != unknown:
        return train, None
    if plan.steps_per_epoch is not None:
        return train.repeat(), None
    counted = count(train)
    return train.apply(tf.data.experimental.assert_cardinality(counted)), counted


def is_ordered_by_seed(train: Any) -> bool:
    """Whether the order of training data follows from the plan's seed alone."""
    return is_arrays(train) or isinstance(train, Indexed)


def first_batches(data: Any, number: int, batch_size: int | None) -> Any:
    """The first batches of data in any form; None of None."""
    if data is None:
        return None
    if is_generator(data):
        return Indexed(list(itertools.islice(data, number)))
    found = part(data)
    if not is_arrays(found):
        dataset = found if isinstance(found, tf.data.Dataset) else found.dataset()
        return dataset.take(number)
    rows = arrays.packed(data)
    size = min(number * (batch_size or BATCH_SIZE), arrays.size(rows))
    return arrays.head(rows, 0, size)


def split(data: Data, fraction: float) -> Data:
    """See `Binding.split`; the fraction is cut off as in Keras `fit`."""
    check_fraction("validation_split", fraction)
    if data.validation is not None:
        raise ValueError(
            "Validation data must be given once. Received: `validation_split` and "
            "`validation_data`. Leave one out."
        )
    if not is_arrays(data.train):
        raise ValueError(
            "`validation_split` is for arrays, as in Keras. Received: batches "
            f"({type(data.train).__name__}). Pass `validation_data`."
        )
    rows = arrays.checked("dataset", data.train)
    size = arrays.size(rows)
    at = int(size * (1.0 - fraction))
    if at in (0, size):
        raise ValueError(
            "`validation_split` must leave examples for training and for validation. "
            f"Received: validation_split={fraction} of {size} examples."
        )
    train, validation = arrays.head(rows, 0, at), arrays.head(rows, at, size)
    return replace(data, train=train, validation=validation)
