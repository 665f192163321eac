"""The first examples of data in any form, for an export."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from tf_lottery.bindings.parts import Port
from tf_lottery.bindings.shared.exporting import examples as shared
from tf_lottery.bindings.shared.source import Source
from tf_lottery.bindings.tf_shared._imports import tf
from tf_lottery.bindings.tf_shared.data.arrays import as_arrays
from tf_lottery.bindings.tf_shared.data.feed import evaluated_source


def examples(
    data: Any, inputs: Sequence[Port], keys: Sequence[str], size: int
) -> tuple[tuple[NDArray[Any], ...], NDArray[Any] | None]:
    """At most `size` inputs, an array per input of the model, and labels if one array.

    `keys` are what the inputs are called in a dict.

    Raises:
        ValueError, TypeError: The data do not fit the model.
    """
    if isinstance(data, Source):
        data = evaluated_source(data)
    if isinstance(data, tf.data.Dataset):
        return shared.examples(data, inputs, keys, size, _dense)
    return shared.examples(
        [data], inputs, keys, size, lambda part: as_arrays(_dense(part))
    )


def _dense(structure: Any) -> Any:
    """The same values as dense arrays, which exported files take."""

    def dense(part: Any) -> Any:
        if isinstance(part, tf.SparseTensor):
            part = tf.sparse.to_dense(tf.sparse.reorder(part))
        if isinstance(part, tf.RaggedTensor):
            raise ValueError("ragged tensors, where examples must have one shape")
        if hasattr(part, "toarray"):  # of SciPy
            return part.toarray()
        return part.numpy() if isinstance(part, tf.Tensor) else part

    return tf.nest.map_structure(dense, structure)
