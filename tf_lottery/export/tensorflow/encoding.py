"""Leaves the zeros out of a TFLite file, one by one.

The converter chooses between single values and 1x4 blocks by how many zeros there
are. Below a density of about 3.5 percent it chooses blocks, also for tickets without
blocks: it stores several zeros with each survivor, and in float16 such a file returns
NaN. Here each row lists the places of its survivors, and a DENSIFY unpacks them when
the file is loaded.
"""

import copy
from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import NDArray

from tf_lottery.export.tensorflow._imports import schema
from tf_lottery.export.tensorflow.flatbuffer import TYPES

# The types of weights; int8 weights are quantized around 0.
_PACKED = ("float32", "float16", "int8")
_DENSIFY = schema.BuiltinOperator.DENSIFY
_IDENTIFIER = b"TFL3"
_ALIGNMENT = 16  # bytes, which the schema demands of a buffer
_BLOCK = 4  # values


def leave_zeros_out(content: bytes) -> bytes:
    """The file without the zeros of each matrix that becomes smaller by that."""
    model = _parsed(content)
    for buffer in model.buffers:
        buffer.__class__ = _AlignedBuffer
    for graph in model.subgraphs:
        packed = [i for i, tensor in enumerate(graph.tensors) if _pack(model, tensor)]
        unpacking = [_densify(model, graph, index) for index in packed]
        graph.operators = [*unpacking, *graph.operators]
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def blocks_may_be_smaller(content: bytes) -> bool:
    """Whether the converter's blocks could hold a matrix in fewer bytes than this.

    A block that has a survivor takes at least four values and a byte for its place.
    """
    model = _parsed(content)
    tensors = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    found = (_matrix(model, tensor) for tensor in tensors)
    return any(_blocks_are_smaller(values) for values in found if values is not None)


def _blocks_are_smaller(values: NDArray[Any]) -> bool:
    rows, columns = values.shape
    kept = np.pad(values != 0, ((0, 0), (0, -columns % _BLOCK)))
    blocks = np.count_nonzero(kept.reshape(rows, -1, _BLOCK).any(axis=-1))
    at_least = blocks * (_BLOCK * values.itemsize + 1) + rows + 1
    singly = sum(part.nbytes for part in _survivors(values))
    return bool(at_least < min(singly, values.nbytes))


def _parsed(content: bytes) -> Any:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def _pack(model: Any, tensor: Any) -> bool:
    """Stores the survivors of a tensor and where they are, if that is smaller."""
    values = _matrix(model, tensor)
    if values is None:
        return False
    survivors, starts, columns = _survivors(values)
    if survivors.nbytes + starts.nbytes + columns.nbytes >= values.nbytes:
        return False
    tensor.sparsity = _sparsity(tensor.shape, starts, columns)
    buffer = model.buffers[tensor.buffer]
    buffer.data = np.frombuffer(survivors.tobytes(), np.uint8)
    return True


def _matrix(model: Any, tensor: Any) -> NDArray[Any] | None:
    """The rows of a constant of weights; None of all other tensors."""
    data = model.buffers[tensor.buffer].data
    dtype = TYPES.get(tensor.type)
    if data is None or dtype not in _PACKED or tensor.sparsity:
        return None
    if len(tensor.shape) < 2:
        return None
    return np.frombuffer(bytes(data), dtype).reshape(-1, tensor.shape[-1])


def _survivors(
    values: NDArray[Any],
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The values that are not zero, where each row begins, and their columns."""
    rows, columns = np.nonzero(values)
    starts = np.searchsorted(rows, np.arange(len(values) + 1))
    return values[rows, columns], _smallest(starts), _smallest(columns)


def _densify(model: Any, graph: Any, index: int) -> Any:
    """An operator that unpacks a tensor for all operators that used it."""
    packed = graph.tensors[index]
    dense = copy.copy(packed)
    dense.name, dense.buffer, dense.sparsity = packed.name + b"/dense", 0, None
    graph.tensors.append(dense)
    output = len(graph.tensors) - 1
    for operator in graph.operators:
        operator.inputs = np.where(operator.inputs == index, output, operator.inputs)
    operator = schema.OperatorT()
    operator.opcodeIndex = _code(model)
    operator.inputs = np.array([index], np.int32)
    operator.outputs = np.array([output], np.int32)
    return operator


def _code(model: Any) -> int:
    codes = [code.builtinCode for code in model.operatorCodes]
    if _DENSIFY not in codes:
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = _DENSIFY
        code.version = 1
        model.operatorCodes.append(code)
        codes.append(_DENSIFY)
    return codes.index(_DENSIFY)


def _sparsity(shape: Any, starts: NDArray[Any], columns: NDArray[Any]) -> Any:
    """All axes except the last are whole; along the last, positions are listed."""
    *whole, listed = (schema.DimensionMetadataT() for _ in shape)
    for axis, size in zip(whole, shape[:-1], strict=True):
        axis.format, axis.denseSize = schema.DimensionType.DENSE, int(size)
    listed.format = schema.DimensionType.SPARSE_CSR
    listed.arraySegmentsType, listed.arraySegments = _vector(starts)
    listed.arrayIndicesType, listed.arrayIndices = _vector(columns)
    sparsity = schema.SparsityParametersT()
    sparsity.traversalOrder = np.arange(len(shape), dtype=np.int32)
    sparsity.dimMetadata = [*whole, listed]
    return sparsity


def _smallest(positions: NDArray[Any]) -> NDArray[Any]:
    """The positions in the fewest of 8, 16 or 32 bits that hold the largest."""
    kind = np.min_scalar_type(int(positions.max(initial=0)))
    return positions.astype(kind if kind.itemsize < 4 else np.int32)


def _vector(positions: NDArray[Any]) -> tuple[int, Any]:
    name = f"{positions.dtype.name.capitalize()}Vector"  # such as Uint8Vector
    vector = getattr(schema, f"{name}T")()
    vector.values = positions
    return getattr(schema.SparseIndexVector, name), vector


class _AlignedBuffer(schema.BufferT):
    """A buffer whose data are aligned as the schema demands; Python's own are not."""

    def Pack(self, builder: Any) -> Any:
        if self.data is None:
            return super().Pack(builder)
        content = bytes(self.data)
        builder.StartVector(1, len(content), _ALIGNMENT)
        builder.head -= len(content)
        builder.Bytes[builder.head : builder.head + len(content)] = content
        data = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)
