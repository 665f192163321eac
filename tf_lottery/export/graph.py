"""The calls of a functional model in order, nested models opened.

`interpret` runs any function over them: one follows units through a network,
another builds the network again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tf_lottery._keras import keras, tf


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
    model: Any, inputs: Sequence[Any], apply: Callable[[Call], Any], above: str = ""
) -> list[Any]:
    """The values of a model's outputs, from values of its inputs.

    Args:
        model: A functional or Sequential model.
        inputs: A value for each input.
        apply: From a call to the value, or the values, of what it returns.
        above: The path of a nested model, with a slash.
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
            args, kwargs = node.map_arguments(values)
            path, outputs = f"{above}{node.layer.name}", tf.nest.flatten(node.outputs)
            if is_functional(node.layer):
                inside = tf.nest.flatten(args)
                results: Any = interpret(node.layer, inside, apply, f"{path}/")
            else:
                results = apply(Call(node.layer, path, outputs, args, kwargs))
            for tensor, value in zip(outputs, _flat(results), strict=True):
                bind(tensor, value)
    return [values[str(id(tensor))].pop() for tensor in model.outputs]


def is_functional(layer: Any) -> bool:
    """Whether a layer is a model whose calls are known."""
    return isinstance(layer, keras.Model) and hasattr(layer, "_nodes_by_depth")


def _flat(results: Any) -> list[Any]:
    return list(results) if isinstance(results, list | tuple) else [results]
