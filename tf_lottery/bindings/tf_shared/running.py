"""Runs a function of TensorFlow on NumPy arrays."""

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from tf_lottery.bindings.tf_shared._imports import tf

BACKEND = "TensorFlow, all threads"


def compute(
    function: Callable[..., Any], inputs: Sequence[NDArray[Any]]
) -> list[NDArray[Any]]:
    """The outputs of a function of flat tensors, as arrays."""
    return [output.numpy() for output in function(*map(tf.constant, inputs))]


def repeat(
    function: Callable[..., Any], inputs: Sequence[NDArray[Any]]
) -> Callable[[], Any]:
    """A function without arguments that computes these inputs, to be timed."""
    tensors = [tf.constant(array) for array in inputs]
    return lambda: function(*tensors)
