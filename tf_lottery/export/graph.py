"""The calls of a functional model in order, nested models opened.

`interpret` runs any function over them: one follows units through a network,
another builds the network again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tf_lottery.bindings.tf_keras._imports import keras, tf


@dataclass(frozen=True)
class Call:
    """One call of a layer.

    Attributes:
        layer: The layer.
        path: Its name below those of the nested models around it.
        outputs: The symbolic tensors that it returned.
        args, kwargs: What it was called with; tensors are the values so far.
    """

    layer: Any
    path: str
    outputs: Sequence[Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def interpret(
    model: Any,
    inputs: Sequence[Any],
    apply: Callable[[Call], Any],
    above: str = "",
    training: Any = None,
) -> list[Any]:
    """The values of a model's outputs, from values of its inputs.

    Args:
        model: A functional or Sequential model.
        inputs: A value for each input.
        apply: From a call to the value, or the values, of what it returns.
        above: The path of a nested model, with a slash.
        training: The mode that a nested model is called in, if it is given.
    """
    values: dict[str, list[Any]] = {}
    uses = model._tensor_usage_count

    def bind(tensor: Any, value: Any) -> None:
        # `map_arguments` takes one for each use.
        values[str(id(tensor))] = [value] * uses[str(id(tensor))]

    for tensor, value in zip(model.inputs, inputs, strict=True):
        bind(tensor, value)
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input:
                continue
            layer, path = node.layer, f"{above}{node.layer.name}"
            args, kwargs = node.map_arguments(values)
            if training is not None and layer._expects_training_arg:
                kwargs.setdefault("training", training)
            outputs = tf.nest.flatten(node.outputs)
            if _opens(node):
                inside = layer._flatten_to_reference_inputs(args[0])
                mode = kwargs.get("training")
                results: Any = interpret(layer, inside, apply, f"{path}/", mode)
            else:
                results = apply(Call(layer, path, outputs, args, kwargs))
            for tensor, value in zip(outputs, tf.nest.flatten(results), strict=True):
                bind(tensor, value)
    return [values[str(id(tensor))].pop() for tensor in model.outputs]


def is_functional(layer: Any) -> bool:
    """Whether a layer is a model whose calls are known."""
    return isinstance(layer, keras.Model) and hasattr(layer, "_nodes_by_depth")


def _opens(node: Any) -> bool:
    """Whether a call of a model is nothing but the calls of its layers."""
    if not is_functional(node.layer) or node.call_kwargs.keys() - {"training"}:
        return False
    inside = node.layer._flatten_to_reference_inputs(node.call_args[0])
    # A model adapts the rank of what it takes.
    return len(node.call_args) == 1 and all(
        given.shape.rank == wanted.shape.rank
        for given, wanted in zip(inside, node.layer.inputs, strict=True)
    )
