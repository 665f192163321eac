"""Which form data have, and each in a form that can be read for every training."""

import itertools
from dataclasses import replace
from typing import Any

from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.bindings.tf_keras.data import arrays
from tf_lottery.bindings.tf_keras.data.feed import Again
from tf_lottery.bindings.tf_keras.data.generators import Generated, Once, is_generator
from tf_lottery.bindings.tf_keras.data.sequences import Indexed, is_sequence
from tf_lottery.core.checks import check_fraction
from tf_lottery.core.data import Data

BATCH_SIZE = 32  # as in Keras `fit`
# Batches that Python code makes.
Batched = Indexed | Generated | Once


def is_batches(value: Any) -> bool:
    """Whether it gives batches; sequences may be callable like a function."""
    return isinstance(value, tf.data.Dataset | Batched) or is_sequence(value)


def is_arrays(part: Any) -> bool:
    """Whether it is rows in memory, or what should be."""
    return not isinstance(part, tf.data.Dataset | Batched)


def part(value: Any, again: Again = None) -> Any:
    """See `Binding.part`."""
    if is_sequence(value):
        return Indexed(value)
    if is_generator(value):
        return Generated(again) if again else Once(value)
    return value


def is_ordered_by_seed(train: Any) -> bool:
    """See `Binding.is_ordered_by_seed`."""
    return is_arrays(train) or isinstance(train, Indexed)


def first_batches(data: Any, number: int, batch_size: int | None) -> Any:
    """See `Binding.first_batches`."""
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
