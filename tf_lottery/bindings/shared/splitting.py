"""Parts of rows in memory: a split, and the first of them.

`arrays` is the module that knows rows in memory.
"""

from dataclasses import replace
from typing import Any

from tf_lottery.core.checks import check_fraction
from tf_lottery.core.data import Data
from tf_lottery.core.plan import BATCH_SIZE


def split(data: Data, fraction: float, arrays: Any, in_memory: bool) -> Data:
    """See `Binding.split`; the fraction is cut off as in Keras `fit`."""
    check_fraction("validation_split", fraction)
    if data.validation is not None:
        raise ValueError(
            "Validation data must be given once. Received: `validation_split` and "
            "`validation_data`. Leave one out."
        )
    if not in_memory:
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


def first_rows(data: Any, number: int, batch_size: int | None, arrays: Any) -> Any:
    """The rows of the first batches."""
    rows = arrays.packed(data)
    size = min(number * (batch_size or BATCH_SIZE), arrays.size(rows))
    return arrays.head(rows, 0, size)
