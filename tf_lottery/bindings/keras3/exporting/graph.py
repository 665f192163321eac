"""The graphs of Keras 3: see `shared.exporting.graphs.Graphs`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tf_lottery.bindings.keras3 import layers
from tf_lottery.bindings.keras3._imports import keras
from tf_lottery.bindings.keras3.arrays import array_of
from tf_lottery.bindings.shared.exporting.graphs import Call

LAYERS: Any = keras.layers
ELEMENTWISE: Sequence[Any] = (keras.activations, keras.ops)

_Functional = keras.src.models.functional.Functional
# Parts of a configuration that are objects: a layer takes them as they are.
_OBJECTS = ("activation", "_regularizer", "_constraint")


def graph_of(layer: Any) -> Any:
    """The graph of a model of which Keras knows the calls; else None."""
    if isinstance(layer, keras.Sequential):
        own, graph = keras.Sequential.call, layer._functional
    elif isinstance(layer, _Functional):
        own, graph = _Functional.call, layer
    else:
        return None
    return graph if type(layer).call is own and "call" not in vars(layer) else None


def is_functional(layer: Any) -> bool:
    """Whether a layer is a model of which Keras knows the calls."""
    return graph_of(layer) is not None


def interpret(
    model: Any,
    inputs: Sequence[Any],
    apply: Callable[[Call], Any],
    above: str = "",
    training: Any = None,
) -> list[Any]:
    """See `Graphs`.

    `above` and `training` are, of a nested model, its path with a slash at its end, and
    the mode that it is called in, if the call names one.
    """
    graph = graph_of(model)
    values = dict(zip(map(id, graph.inputs), inputs, strict=True))
    for node in _nodes(graph):
        if not all(id(tensor) in values for tensor in node.input_tensors):
            continue  # it leads to an input that is the output of a layer
        layer, path = node.operation, f"{above}{node.operation.name}"
        args, kwargs = node.arguments.fill_in(values)
        kwargs = {n: value for n, value in kwargs.items() if not _is_no_mask(n, value)}
        if training is not None and getattr(layer, "_call_has_training_arg", False):
            kwargs = {**kwargs, "training": training}  # that of the model comes first
        if (inside := _opened(node, args)) is not None:
            mode = kwargs.get("training")
            results: Any = interpret(layer, inside, apply, f"{path}/", mode)
        else:
            results = apply(Call(layer, path, node.outputs, args, kwargs))
        for tensor, value in zip(
            node.outputs, keras.tree.flatten(results), strict=True
        ):
            values[id(tensor)] = value
    return [values[id(tensor)] for tensor in graph.outputs]


def own_weights(layer: Any) -> Mapping[str, Any]:
    """See `Graphs`; an operation of `keras.ops` has none."""
    return layers.own_weights(layer) if isinstance(layer, keras.layers.Layer) else {}


def array(value: Any) -> Any:
    """See `Graphs`."""
    if isinstance(value, keras.Variable):
        return array_of(value)
    return np.array(keras.ops.convert_to_numpy(value))


def tensor(array: Any) -> Any:
    """See `Graphs`."""
    return keras.ops.convert_to_tensor(array)


def is_dense(tensor: Any) -> bool:
    """See `Graphs`."""
    return not (tensor.sparse or getattr(tensor, "ragged", False))


def gathered(tensor: Any, features: Sequence[int]) -> Any:
    """See `Graphs`."""
    return keras.ops.take(tensor, features, axis=-1)


def new_inputs(model: Any) -> list[Any]:
    """See `Graphs`."""
    made = []
    for given in graph_of(model).inputs:
        source = given._keras_history.operation
        options = {"ragged": True} if getattr(given, "ragged", False) else {}
        options |= {"optional": True} if getattr(source, "optional", False) else {}
        made.append(
            keras.Input(
                batch_shape=given.shape,
                dtype=given.dtype,
                sparse=given.sparse,
                name=source.name,
                **options,
            )
        )
    return made


def copied(layer: Any, name: str, changes: Mapping[str, Any]) -> Any:
    """See `Graphs`; without changes it is the layer itself, which nobody else has."""
    if not changes:
        _forget_calls(layer)
        layer.name = name
        return layer
    config = layer.get_config()
    objects = {key: getattr(layer, key) for key in config if key.endswith(_OBJECTS)}
    return type(layer).from_config({**config, **objects, "name": name, **changes})


def built(like: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
    """See `Graphs`."""
    graph = graph_of(like)
    made = keras.Model(
        keras.tree.pack_sequence_as(graph._inputs_struct, list(inputs)),
        keras.tree.pack_sequence_as(graph._outputs_struct, list(outputs)),
        name=like.name,
    )
    made.output_names = list(graph.output_names)
    made._trainable = like._trainable
    made.dtype_policy = like.dtype_policy
    layers.finalize(made)
    return made


def with_parts(model: Any, part: Callable[[Any], Any]) -> Any:
    """A model of Keras' own class, with other layers in the same graph.

    Args:
        model: A functional or Sequential model, which is not changed.
        part: From a layer or an operation of its graph to that of the new model.
    """
    made: dict[int, Any] = {}

    def of(operation: Any) -> Any:
        if id(operation) not in made:
            nested = is_functional(operation)
            found = with_parts(operation, of) if nested else part(operation)
            _forget_calls(found)
            made[id(operation)] = found
        return made[id(operation)]

    inputs = new_inputs(model)
    if isinstance(model, keras.Sequential):
        found = keras.Sequential([*inputs, *map(of, model.layers)], name=model.name)
        found._trainable = model._trainable
        found.dtype_policy = model.dtype_policy
        return found
    outputs = graph_of(model)._run_through_graph(inputs, operation_fn=of)
    return built(model, inputs, keras.tree.flatten(outputs))


def _nodes(graph: Any) -> list[Any]:
    """The calls in their order."""
    by_depth = graph._nodes_by_depth
    found = (
        node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]
    )
    return [node for node in found if node.operation and not node.is_input]


def _opened(node: Any, args: Sequence[Any]) -> list[Any] | None:
    """The flat inputs of a nested model, if calling it is calling its layers."""
    graph = graph_of(node.operation)
    arguments = node.arguments
    others = [n for n, value in arguments.kwargs.items() if not _is_no_mask(n, value)]
    if graph is None or len(args) != 1 or set(others) - {"training"}:
        return None
    wanted = graph._inputs_struct
    given, values = arguments.args[0], args[0]
    if isinstance(given, dict) and not isinstance(wanted, dict):
        names = [each.name for each in keras.tree.flatten(wanted)]
        if not given.keys() >= set(names):
            return None
        given, values = ([each[n] for n in names] for each in (given, values))
    tensors = keras.tree.flatten(given)
    # A model changes inputs of another rank or type before it calls its layers.
    alike = len(tensors) == len(graph.inputs) and all(
        map(_is_alike, tensors, graph.inputs)
    )
    inside: list[Any] = keras.tree.flatten(values)
    return inside if alike else None


def _is_no_mask(name: str, value: Any) -> bool:
    """Whether it is what Keras passes on where nothing is masked."""
    nothing = all(part is None for part in keras.tree.flatten(value))
    return name.endswith("mask") and nothing


def _is_alike(given: Any, wanted: Any) -> bool:
    floats = map(keras.backend.is_float_dtype, (given.dtype, wanted.dtype))
    same = given.dtype == wanted.dtype or all(floats)
    return same and len(given.shape) == len(wanted.shape)


def _forget_calls(operation: Any) -> None:
    """Lets an operation have no calls, so that those of its new graph are the first."""
    operation._inbound_nodes.clear()
    operation._outbound_nodes.clear()
