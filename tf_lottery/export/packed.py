"""The sparse SavedModel: masks as bits and surviving values, unpacked once on load.

A dense SavedModel holds its zeros, so that stripping alone shrinks nothing. Here
each pruned variable is stored as two small ones, and a resource takes its place in
the model's graph, which stays as it is: outputs are equal bit for bit. Plain
TensorFlow loads it, in Python, C++ and TensorFlow Serving; it cannot be trained.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery._keras import tf
from tf_lottery.core.errors import ExportError
from tf_lottery.core.io import PathLike, bits
from tf_lottery.export.serving import SIGNATURE, serving
from tf_lottery.export.stored import StoredTensor, stored
from tf_lottery.pruning.layers import named_weights

Shapes = Mapping[str, tuple[int, ...]]
_COST = 8192  # bytes that the functions of a packed variable take


def save_packed(model: Any, path: PathLike) -> None:
    """Writes a plain Keras model as a sparse SavedModel.

    Every variable that takes less room so is packed. Nothing of it is a constant in
    the graph, which must stay below 2 GB.

    Raises:
        ExportError: The model uses what is no weight, such as a lookup table.
    """
    function = serving(model).get_concrete_function()
    weights = named_weights(model)
    packed = {
        path: _Packed(weight.numpy(), f"packed/{path}")
        for path, weight in weights.items()
        if _saves(weight.numpy())
    }
    resources = {id(weights[path].handle): packed[path] for path in packed}
    function.set_external_captures(
        [
            resources[id(handle)].resource_handle if id(handle) in resources else handle
            for handle in function.captured_inputs
        ]
    )
    root = tf.Module()
    root.packed = packed
    # Each by itself, as a resource does not track its variables.
    root.masks = {path: each.mask for path, each in packed.items()}
    root.values = {path: each.values for path, each in packed.items()}
    root.dense = {p: weight for p, weight in weights.items() if p not in packed}
    root.serve = _calling(function)
    try:
        tf.saved_model.save(root, str(path), signatures={SIGNATURE: root.serve})
    except AssertionError as error:  # of an untracked resource
        raise ExportError(
            "A packed SavedModel holds weights only, and this model uses something "
            'else, such as a lookup table. Export it with layout="dense".'
        ) from error


def read_packed(path: PathLike, shapes: Shapes) -> list[StoredTensor]:
    """The weights as the directory holds them.

    Args:
        path: What `save_packed` wrote.
        shapes: The shapes of the model's weights, by their paths.
    """
    reader = tf.train.load_checkpoint(str(Path(path, "variables", "variables")))
    found = {}
    for key in reader.get_variable_to_shape_map():
        group, _, rest = key.partition("/")
        name = rest.partition("/.ATTRIBUTES")[0].replace(".S", "/")
        if group in ("values", "dense") and name in shapes:
            encoding = "bitmask and values" if group == "values" else "dense"
            values = reader.get_tensor(key)
            found[name] = stored(name, shapes[name], encoding, values)
    return [found[name] for name in shapes if name in found and len(shapes[name]) > 1]


class _Packed(tf.saved_model.experimental.TrackableResource):
    """A variable that is made from its mask and its values when it is loaded."""

    def __init__(self, array: NDArray[Any], name: str) -> None:
        super().__init__()
        present = _present(array)
        self._shape = array.shape
        self._dtype = array.dtype
        self._name = name
        self.mask = tf.Variable(np.packbits(present), trainable=False)
        self.values = tf.Variable(array[present], trainable=False)

    def _create_resource(self) -> Any:
        return tf.raw_ops.VarHandleOp(
            shape=self._shape, dtype=self._dtype, shared_name=self._name
        )

    def _initialize(self) -> None:
        places = tf.constant([128, 64, 32, 16, 8, 4, 2, 1], tf.uint8)
        unpacked = tf.bitwise.bitwise_and(tf.expand_dims(self.mask, 1), places)
        positions = tf.where(tf.reshape(unpacked, [-1]))  # those of the padding are 0
        size = tf.constant([math.prod(self._shape)], tf.int64)
        flat = tf.scatter_nd(positions, self.values, size)
        tf.raw_ops.AssignVariableOp(
            resource=self.resource_handle, value=tf.reshape(flat, self._shape)
        )


def _calling(function: Any) -> Any:
    """A `tf.function` that calls a concrete one, for its captures to be saved anew."""
    specs, _ = function.structured_input_signature

    def serve(*inputs: Any) -> Any:
        return function(*inputs)

    return tf.function(serve, input_signature=specs)


def _saves(array: NDArray[Any]) -> bool:
    """Whether an array takes less room as a mask and values."""
    kept = int(np.count_nonzero(_present(array)))
    return -(-array.size // 8) + kept * array.itemsize + _COST < array.nbytes


def _present(array: NDArray[Any]) -> NDArray[np.bool_]:
    """Where an array is not +0.0: a -0.0 is kept, for outputs to be equal in bits."""
    return np.asarray(bits(array).any(axis=1).reshape(array.shape))
