"""The sparse SavedModel: masks as bits and surviving values, unpacked once on load.

A dense SavedModel stores zeros, so stripping alone does not make it smaller. Here two
arrays hold all weights, and the variables of the model's graph are filled from them.
The graph stays as it is: outputs are equal bit for bit. Plain TensorFlow loads it, in
Python, C++ and TensorFlow Serving.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery.core.archive import PathLike
from tf_lottery.core.arrays import bits
from tf_lottery.core.errors import ExportError
from tf_lottery.core.words import quiet
from tf_lottery.export.bound import network
from tf_lottery.export.stored import StoredTensor, stored
from tf_lottery.export.tensorflow._imports import tf
from tf_lottery.export.tensorflow.runtime import SIGNATURE, serving

Array = NDArray[Any]
_VALUE = ".ATTRIBUTES/VARIABLE_VALUE"  # how the keys of a checkpoint end


def save_packed(model: Any, path: PathLike) -> None:
    """Writes a plain Keras model as a sparse SavedModel.

    Weights are packed; whole numbers, such as counters, are stored as they are. None of
    them is a constant in the graph, which must stay below 2 GB.

    Raises:
        ExportError: The model uses something that is not a weight, such as a lookup
            table.
    """
    function = serving(model).get_concrete_function()
    variables = network(model).variables.values()
    root = _Packed([variable.numpy() for variable in variables])
    handles = {
        id(variable.handle): weight.handle
        for variable, weight in zip(variables, root.weights, strict=True)
    }
    captures = function.captured_inputs
    if any(c.dtype == tf.resource and id(c) not in handles for c in captures):
        layers = network(model).adapted
        found = f", as {', '.join(layers)} may do" if layers else ""
        raise ExportError(
            "A packed SavedModel holds weights only, and this model uses something "
            f"else, such as a lookup table or the state of a stateful layer{found}. "
            'Export it with layout="dense".'
        )
    function.set_external_captures([handles.get(id(c), c) for c in captures])
    specs, _ = function.structured_input_signature

    def serve(*inputs: Any) -> Any:
        return function(*inputs)  # its captures are saved again

    root.serve = tf.function(serve, input_signature=specs)
    with quiet():
        tf.saved_model.save(root, str(path), signatures={SIGNATURE: root.serve})


def read_packed(path: PathLike, model: Any) -> list[StoredTensor]:
    """The matrices in a directory that `save_packed` wrote of a model."""
    reader = tf.train.load_checkpoint(str(Path(path, "variables", "variables")))
    masks, values, found = b"", dict[str, Array](), []
    for name, weight in network(model).variables.items():
        shape, dtype = weight.numpy().shape, weight.dtype.name
        if not weight.dtype.is_floating:
            continue
        masks = masks or reader.get_tensor(f"mask/{_VALUE}").tobytes()
        if dtype not in values:
            values[dtype] = reader.get_tensor(f"values/{dtype}/{_VALUE}")
        size = -(-math.prod(shape) // 8)
        mask, masks = masks[:size], masks[size:]
        kept = int.from_bytes(mask, "big").bit_count()
        mine, values[dtype] = values[dtype][:kept], values[dtype][kept:]
        if len(shape) > 1:
            found.append(stored(name, shape, "bitmask and values", mine))
    return found


class _Packed(tf.Module):
    """Arrays as bits and values, and `weights` that are filled when it is loaded."""

    def __init__(self, arrays: Sequence[Array]) -> None:
        super().__init__()
        # In a session, variables of one name are shared, also between models.
        name = f"packed_{_digest(arrays)}"
        self.weights = [
            tf.Variable(a, name=f"{name}/{i}") for i, a in enumerate(arrays)
        ]
        floats = [weight for weight in self.weights if weight.dtype.is_floating]
        if floats:
            self._pack(name, floats)

    def _pack(self, name: str, weights: Sequence[Any]) -> None:
        masks: list[Array] = []
        kept: dict[str, list[Array]] = {}
        for weight in weights:
            _keep_out_of_checkpoint(weight)
            array = weight.numpy()
            # -0.0 is kept, or outputs could differ in bits.
            present = bits(array).any(axis=1).reshape(array.shape)
            masks.append(np.packbits(present))
            kept.setdefault(array.dtype.name, []).append(array[present])
        # Few variables, since each takes a kilobyte in the graph.
        self.mask = tf.Variable(np.concatenate(masks), name=f"{name}/mask")
        self.values = {
            dtype: tf.Variable(np.concatenate(parts), name=f"{name}/{dtype}")
            for dtype, parts in kept.items()
        }

        def unpack() -> None:
            mask = iter(tf.split(self.mask, list(map(len, masks))))
            values = {
                dtype: iter(tf.split(self.values[dtype], list(map(len, parts))))
                for dtype, parts in kept.items()
            }
            unpacked = {dtype: _unpacked(dtype) for dtype in kept}
            for weight in weights:
                dtype = weight.dtype.name
                shape = tf.constant(weight.shape.as_list(), tf.int64)
                weight.assign(unpacked[dtype](next(mask), next(values[dtype]), shape))

        self.on_load = _OnLoad(unpack)


class _OnLoad(tf.saved_model.experimental.TrackableResource):
    """Runs a function when a SavedModel is loaded, as lookup tables do."""

    def __init__(self, function: Callable[[], None]) -> None:
        super().__init__()
        self._function = function

    def _create_resource(self) -> Any:
        return tf.raw_ops.VarHandleOp(shape=[], dtype=tf.float32)  # never filled

    def _initialize(self) -> None:
        self._function()


def _keep_out_of_checkpoint(variable: Any) -> None:
    """Makes a SavedModel hold a variable without its value."""
    export = variable._export_to_saved_model_graph

    def export_without_value(object_map: Any, **kwargs: Any) -> Any:
        exported = export(object_map=object_map, **kwargs)
        object_map[variable]._serialize_to_tensors = dict
        return exported

    variable._serialize_to_tensors = dict
    variable._export_to_saved_model_graph = export_without_value


def _unpacked(dtype: str) -> Any:
    """A function of a mask, its values and a shape, which all weights share."""

    def unpacked(mask: Any, values: Any, shape: Any) -> Any:
        places = tf.constant([128, 64, 32, 16, 8, 4, 2, 1], tf.uint8)
        bits = tf.bitwise.bitwise_and(tf.expand_dims(mask, 1), places)
        positions = tf.where(tf.reshape(bits, [-1]))  # bits of the padding are 0
        size = tf.reshape(tf.reduce_prod(shape), [1])
        return tf.reshape(tf.scatter_nd(positions, values, size), shape)

    specs = [tf.TensorSpec([None], each) for each in (tf.uint8, dtype, tf.int64)]
    return tf.function(unpacked, input_signature=specs)


def _digest(arrays: Iterable[Array]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(bits(array).data.cast("B"))
    return digest.hexdigest()[:16]
