"""Which form data have, and each in a form that can be read for every training."""

import itertools
from typing import Any

from tf_lottery.bindings.keras3.data import arrays
from tf_lottery.bindings.keras3.data.tensorflow import TensorFlowBatches, is_dataset
from tf_lottery.bindings.shared import sources, splitting
from tf_lottery.bindings.shared.sequences import Indexed
from tf_lottery.bindings.shared.source import Again, Source
from tf_lottery.core.data import Data


def is_batches(value: Any) -> bool:
    """Whether it gives batches; sequences may be callable like a function."""
    return not is_arrays(value) or _gives_again(value)


def is_arrays(part: Any) -> bool:
    """Whether it is rows in memory, or what should be."""
    return not isinstance(part, Source)


def readable(value: Any, again: Again = None) -> Any:
    """See `Binding.readable`: a `Source`, of a `tf.data.Dataset` too, or the rows."""
    if is_dataset(value):
        return TensorFlowBatches(value, arrays.packed)
    return sources.source_of(value, again, arrays.packed) or value


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
    batches = found.in_order() if _gives_again(data) else data
    return Indexed(list(itertools.islice(batches, number)), arrays.packed)


def split(data: Data, fraction: float) -> Data:
    """See `Binding.split`; the fraction is cut off as in Keras `fit`."""
    return splitting.split(data, fraction, arrays, is_arrays(data.train))


def _gives_again(value: Any) -> bool:
    """Whether it gives its batches more than once."""
    return is_dataset(value) or sources.gives_again(value)
