"""What a TFLite file holds: its tensors as they are encoded, its operators, MACs."""

import math
from collections import Counter
from typing import Any

import numpy as np

from tf_lottery.export.stored import StoredTensor, stored
from tf_lottery.export.tensorflow._imports import schema

# NumPy's name of each type, such as "float32".
TYPES: dict[int, str] = {
    getattr(schema.TensorType, name.upper()): name
    for name in (
        *("float16", "float32", "float64"),
        *("int8", "int16", "int32", "int64", "uint8"),
    )
}
_OPERATORS = {
    number: name
    for name, number in vars(schema.BuiltinOperator).items()
    if not name.startswith("_")
}
# The axis of the weights whose positions are output values.
_UNITS = {"FULLY_CONNECTED": 0, "CONV_2D": 0, "DEPTHWISE_CONV_2D": -1}
_UNCOUNTED = {
    *("BATCH_MATMUL", "CONV_3D", "CONV_3D_TRANSPOSE", "TRANSPOSE_CONV", "WHILE"),
    *("LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM"),
    *("RNN", "UNIDIRECTIONAL_SEQUENCE_RNN", "BIDIRECTIONAL_SEQUENCE_RNN", "SVDF"),
}


class TFLiteFile:
    """A parsed TFLite file.

    Attributes:
        operators: How often each operator occurs, by its name.
        tensors: The weights: every constant of two axes or more.
        is_stateful: Whether a call changes the outputs of the next one, as in a fused
            LSTM.
    """

    def __init__(self, content: bytes) -> None:
        self._model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        graphs = self._model.subgraphs
        self._operators = [(graph, op) for graph in graphs for op in graph.operators]
        tensors = [tensor for graph in graphs for tensor in graph.tensors]
        found = (self._stored(tensor) for tensor in tensors)
        self.operators = dict(Counter(self._name(op) for _, op in self._operators))
        self.tensors = [tensor for tensor in found if tensor is not None]
        self.is_stateful = any(tensor.isVariable for tensor in tensors)

    @property
    def has_blocks(self) -> bool:
        """Whether a tensor lists blocks of values, not single ones."""
        return any(tensor.encoding.endswith("blocks") for tensor in self.tensors)

    @property
    def macs(self) -> tuple[int, list[str]]:
        """Multiplications that are executed per example, and operators not counted.

        A tensor that a DENSIFY unpacks is multiplied with its zeros; a sparse kernel
        skips all values that the file does not store.
        """
        counted, uncounted = 0, self.operators.keys() & _UNCOUNTED
        for graph, operator in self._operators:
            if (found := self._macs(graph, operator)) is None:
                uncounted.add(self._name(operator))
            counted += found or 0
        return counted, sorted(uncounted)

    def _name(self, operator: Any) -> str:
        code = self._model.operatorCodes[operator.opcodeIndex]
        return str(_OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)])

    def _stored(self, tensor: Any) -> StoredTensor | None:
        data: Any = self._model.buffers[tensor.buffer].data
        dtype = TYPES.get(tensor.type)
        shape = tuple(int(n) for n in (() if tensor.shape is None else tensor.shape))
        if data is None or dtype is None or len(shape) < 2:
            return None
        values = np.frombuffer(bytes(data), dtype)
        name = tensor.name.decode().partition(";")[0]  # the first of what it fused
        encoding, zero = _encoding(tensor.sparsity), _zero(tensor.quantization)
        return stored(name, shape, encoding, values, zero)

    def _macs(self, graph: Any, operator: Any) -> int | None:
        """The MACs of an operator; None if they depend on the size of the inputs."""
        name = self._name(operator)
        if name not in _UNITS:
            return 0
        weights = graph.tensors[operator.inputs[1]]
        if weights.shape is None or not len(weights.shape):
            return None  # quantized while the model runs; its shape is not written
        constant = self._stored(weights)
        # A tensor that an operator made, such as DENSIFY, holds its zeros.
        multiplied = constant.stored if constant else math.prod(map(int, weights.shape))
        output = graph.tensors[operator.outputs[0]]
        sizes = output.shape if output.shapeSignature is None else output.shapeSignature
        if any(int(size) < 0 for size in sizes[1:]):
            return None
        values = math.prod(map(int, output.shape[1:]))  # of one example
        return multiplied * values // int(weights.shape[_UNITS[name]])


def _encoding(sparsity: Any) -> str:
    if sparsity is None:
        return "dense"
    block = sparsity.blockMap
    if block is None or not len(block):
        return "sparse"
    sizes = [d.denseSize for d in sparsity.dimMetadata[-len(block) :]]
    return f"sparse {'x'.join(map(str, [1, *sizes][-2:]))} blocks"


def _zero(quantization: Any) -> int:
    """The stored value that means zero."""
    points = getattr(quantization, "zeroPoint", None)
    return int(points[0]) if points is not None and len(set(points)) == 1 else 0
