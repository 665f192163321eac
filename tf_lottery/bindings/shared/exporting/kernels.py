"""The weights that lead from the units of a layer's inputs to those of its outputs.

A depthwise convolution treats each unit alone, and makes so many units of each. A
separable convolution has two kernels: the first is such a one, and the second mixes
what the first makes.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery.bindings.shared.exporting.graphs import Graphs
from tf_lottery.bindings.shared.exporting.unit_rules import Floats

DEPTHWISE = ("DepthwiseConv1D", "DepthwiseConv2D")
SEPARABLE = ("SeparableConv1D", "SeparableConv2D")
KERNELS = ("Dense", "Conv1D", "Conv2D", "Conv3D", *SEPARABLE)


def kernels_of(graphs: Graphs, layer: Any) -> list[Floats]:
    """The kernels of a layer, [..., before, after]; a separable convolution has two."""
    weights = layer.weights[: len(layer.weights) - layer.use_bias]
    return [graphs.array(weight) for weight in weights]


def as_matrices(kernels: Sequence[Floats]) -> Floats:
    """A matrix [before, after] for each position of a convolution's window.

    Those of a separable convolution are what its two kernels do together.
    """
    first, *second = kernels
    first = first.reshape(math.prod(first.shape[:-2]), *first.shape[-2:])
    if not second:
        return first
    mixes = second[0].reshape(*first.shape[1:], second[0].shape[-1])
    double = first.astype(np.float64), mixes.astype(np.float64)
    product: Floats = np.einsum("pbt,bta->pba", *double)
    return product


def uses(kernels: Sequence[Floats]) -> NDArray[np.bool_]:
    """Whether a weight that is not zero leads from one unit to another."""
    # Of absolute values, so that two ways from unit to unit do not cancel out.
    found = as_matrices([np.abs(kernel) for kernel in kernels]).any(axis=0)
    return np.asarray(found, bool)


def selected(
    kernels: Sequence[Floats], before: NDArray[np.bool_], after: Any = slice(None)
) -> list[Floats]:
    """The kernels between some units."""
    first, *second = kernels
    if not second:
        return [first[..., before, :][..., after]]
    made = np.repeat(before, first.shape[-1])
    return [first[..., before, :], second[0][..., made, :][..., after]]


def folded(graphs: Graphs, layer: Any, constants: Floats) -> Floats:
    """The bias of a layer with what constant units of its inputs contribute."""
    rows = constants != 0
    kernels = kernels_of(graphs, layer)
    matrices = as_matrices(selected(kernels, rows)).astype(np.float64)
    found = np.einsum("i,pio->o", constants[rows], matrices)
    return _with_bias(graphs, layer, found)


def folded_alone(graphs: Graphs, layer: Any, constants: Floats) -> Floats:
    """What a depthwise convolution makes of constant units, before its activation."""
    (kernel,) = kernels_of(graphs, layer)
    sums = as_matrices([kernel]).astype(np.float64).sum(axis=0)
    return _with_bias(graphs, layer, (constants[:, np.newaxis] * sums).ravel())


def _with_bias(graphs: Graphs, layer: Any, found: Floats) -> Floats:
    if layer.use_bias:
        found = found + graphs.array(layer.bias)
    return np.asarray(found.astype(graphs.array(layer.weights[0]).dtype))
