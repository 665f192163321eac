"""The calls of a functional model in order, those inside nested models included.

`interpret` runs a function on each call: one function follows units through a network,
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
        path: Its name, after the names of the nested models around it.
        outputs: The symbolic tensors that it returned.
        args, kwargs: Its arguments, with values in the place of tensors.
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
    """The values of a model's outputs, computed call by call from values of its inputs.

    Args:
        model: A functional or Sequential model.
        inputs: A value for each input.
        apply: Takes a call, returns the value or the values of its outputs.
        above, training: Of a nested model, its path with a slash at its end, and the
            mode that it is called in, if the call names one.
    """
    values: dict[str, list[Any]] = {}
    uses = model._tensor_usage_count

    def bind(tensor: Any, value: Any) -> None:
        # `map_arguments` takes one value per use.
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
    """Whether a layer is a model of which Keras knows the calls."""
    return isinstance(layer, keras.Model) and hasattr(layer, "_nodes_by_depth")


def _opens(node: Any) -> bool:
    """Whether calling a nested model is the same as calling its layers."""
    if not is_functional(node.layer) or node.call_kwargs.keys() - {"training"}:
        return False
    inside = node.layer._flatten_to_reference_inputs(node.call_args[0])
    # A model changes inputs of another rank before it calls its layers.
    return len(node.call_args) == 1 and all(
        given.shape.rank == wanted.shape.rank
        for given, wanted in zip(inside, node.layer.inputs, strict=True)
    )
