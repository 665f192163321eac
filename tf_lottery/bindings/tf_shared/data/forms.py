"""Which form data have, and each in a form that can be read for every training."""

import itertools
from typing import Any

from tf_lottery.bindings.shared import sources, splitting
from tf_lottery.bindings.shared.sequences import Indexed
from tf_lottery.bindings.shared.source import Again, Source
from tf_lottery.bindings.tf_shared._imports import tf
from tf_lottery.bindings.tf_shared.data import arrays
from tf_lottery.bindings.tf_shared.data.feed import evaluated_source, standard
from tf_lottery.core.data import Data

_TENSORS = tf.data.Dataset | tf.RaggedTensor | tf.SparseTensor


def is_batches(value: Any) -> bool:
    """Whether it gives batches; sequences may be callable like a function."""
    return not is_arrays(value) or _is_source(value)


def is_arrays(part: Any) -> bool:
    """Whether it is rows in memory, or what should be."""
    return not isinstance(part, tf.data.Dataset | Source)


def readable(value: Any, again: Again = None) -> Any:
    """See `Binding.readable`: a `Source`, or rows and datasets as they are."""
    if isinstance(value, _TENSORS):
        return value
    return sources.source_of(value, again, standard) or value


def is_ordered_by_seed(train: Any) -> bool:
    """See `Binding.is_ordered_by_seed`."""
    return is_arrays(train) or sources.is_ordered_by_seed(train)


def first_batches(data: Any, number: int, batch_size: int | None) -> Any:
    """See `Binding.first_batches`."""
    if data is None:
        return None
    found = readable(data)
    if is_arrays(found):
        return splitting.first_rows(data, number, batch_size, arrays)
    if isinstance(found, Source) and not _is_source(data):  # a generator
        return Indexed(list(itertools.islice(data, number)), standard)
    dataset = found if isinstance(found, tf.data.Dataset) else evaluated_source(found)
    return dataset.take(number)


def split(data: Data, fraction: float) -> Data:
    """See `Binding.split`; the fraction is cut off as in Keras `fit`."""
    return splitting.split(data, fraction, arrays, is_arrays(data.train))


def _is_source(value: Any) -> bool:
    """Whether it gives its batches more than once."""
    return not isinstance(value, _TENSORS) and sources.gives_again(value)
