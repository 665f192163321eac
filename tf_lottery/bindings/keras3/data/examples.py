"""The first examples of data in any form, for an export."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from tf_lottery.bindings.keras3.data import arrays, forms
from tf_lottery.bindings.parts import Port
from tf_lottery.bindings.shared import rows
from tf_lottery.bindings.shared.exporting import examples as shared
from tf_lottery.bindings.shared.source import Source


def examples(
    data: Any, inputs: Sequence[Port], keys: Sequence[str], size: int
) -> tuple[tuple[NDArray[Any], ...], NDArray[Any] | None]:
    """At most `size` inputs, an array per input of the model, and labels if one array.

    `keys` are what the inputs are called in a dict.

    Raises:
        ValueError, TypeError: The data do not fit the model.
    """
    found = forms.readable(data)
    batches = found.in_order() if isinstance(found, Source) else [data]
    return shared.examples(
        batches, inputs, keys, size, lambda part: rows.as_arrays(part, arrays.as_array)
    )
