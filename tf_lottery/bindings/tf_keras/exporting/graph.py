"""The graphs of tf_keras: see `shared.exporting.graphs.Graphs`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tf_lottery.bindings.shared.exporting.graphs import Call
from tf_lottery.bindings.tf_keras import layers
from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.tfmot.wrap import unwrap

LAYERS: Any = keras.layers
ELEMENTWISE: Sequence[Any] = (keras.activations, tf.nn)


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


def own_weights(layer: Any) -> Mapping[str, Any]:
    """See `Graphs`."""
    return layers.own_weights(layer)


def array(value: Any) -> Any:
    """See `Graphs`."""
    return value.numpy()


def tensor(array: Any) -> Any:
    """See `Graphs`."""
    return tf.constant(array)


def is_dense(tensor: Any) -> bool:
    """See `Graphs`."""
    return isinstance(tensor.type_spec, tf.TensorSpec)


def gathered(tensor: Any, features: Sequence[int]) -> Any:
    """See `Graphs`."""
    return tf.gather(tensor, features, axis=-1)


def new_inputs(model: Any) -> list[Any]:
    """See `Graphs`."""
    sources = [tensor._keras_history.layer for tensor in model.inputs]
    return [copied(source, source.name, {}).output for source in sources]


def copied(layer: Any, name: str, changes: Mapping[str, Any]) -> Any:
    """See `Graphs`."""
    if isinstance(layer, keras.Model):
        made = unwrap(layer)
        made._name = name
        return made
    config = {**layer.get_config(), "name": name, **changes}
    return type(layer).from_config(config)


def built(like: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
    """See `Graphs`."""
    made = keras.Model(
        tf.nest.pack_sequence_as(like.input, list(inputs)),
        tf.nest.pack_sequence_as(like.output, list(outputs)),
        name=like.name,
    )
    made.output_names = list(like.output_names)
    layers.finalize(made)
    return made


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
