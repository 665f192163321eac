"""What must hold of the inputs in data: their names, shapes and dtypes."""

from collections.abc import Iterator, Mapping
from typing import Any

from tf_lottery.bindings.shared.names import check_names
from tf_lottery.bindings.tf_keras._imports import tf


def check_inputs(model: Any, x: Any, name: str) -> None:
    """Raises unless inputs of that spec fit the inputs of a model."""
    names = input_names(model)
    what = f"The inputs of `{name}`"
    check_names(x, names, what, "inputs", needed=True)
    found = list(by_input(model, x))
    for key, tensor, part in found:
        _check_dtype(key, tensor.dtype, part.dtype, name)
    fits = len(found) == len(names) and all(
        _compatible(tensor.shape, part.shape) for _, tensor, part in found
    )
    if not fits:
        unbatched = all(
            part.shape.rank is not None and part.shape.rank == tensor.shape.rank - 1
            for _, tensor, part in found
        )
        raise ValueError(
            f"The batches of `{name}` must fit the model's inputs "
            f"{[in_words(tensor.shape) for tensor in model.inputs]}. Received: "
            f"{shapes(x)}." + (" Is the dataset batched?" if unbatched else "")
        )
    if not all(isinstance(part, tf.TensorSpec) for *_, part in found):
        _check_called(model, x, name)


def by_input(model: Any, x: Any) -> Iterator[tuple[str, Any, Any]]:
    """For each input of a model its name, its tensor, and what of the data it takes."""
    names = input_names(model)
    parts = [x[key] for key in names] if isinstance(x, Mapping) else x
    yield from zip(names, model.inputs, tf.nest.flatten(parts), strict=False)


def input_names(model: Any) -> list[str]:
    """The names by which Keras takes inputs from a dict, in the order of `inputs`."""
    nested = model._nested_inputs
    if isinstance(nested, dict):
        return sorted(nested)
    return [tensor._keras_history.layer.name for tensor in model.inputs]


def shapes(spec: Any) -> Any:
    """The shapes of a spec, to be shown."""
    return tf.nest.map_structure(lambda t: t and in_words(t.shape), spec)


def in_words(shape: Any) -> str:
    """A shape, to be shown."""
    return str(tuple(shape)) if shape.rank is not None else "(?)"


def _check_dtype(key: str, expected: Any, received: Any, name: str) -> None:
    if (expected == tf.string) == (received == tf.string):
        return
    hint = "Adapt a `TextVectorization` or `StringLookup` layer as the model's first."
    if expected == tf.string:
        hint = "Pass strings."
    raise ValueError(
        f"The inputs of `{name}` must be of the model's dtypes. Received: "
        f"{received.name} for the input {key!r} of {expected.name}. {hint}"
    )


def _check_called(model: Any, x: Any, name: str) -> None:
    """Raises unless the model takes ragged or sparse tensors."""

    @tf.function  # type: ignore[untyped-decorator]
    def call(x: Any) -> Any:
        return model(x, training=False)

    try:
        call.get_concrete_function(x)
    except Exception as error:
        kinds = {type(p).__name__.removesuffix("Spec") for p in tf.nest.flatten(x)}
        raise ValueError(
            f"The model must take the inputs of `{name}`, {', '.join(sorted(kinds))} "
            "among them. Received: one that fails on them. Use "
            "`keras.Input(..., sparse=True)` or `ragged=True`, or make them dense. "
            f"Keras says: {str(error).strip().splitlines()[-1].strip()[:200]}"
        ) from error


def _compatible(expected: Any, received: Any) -> bool:
    if received.rank is None or expected.is_compatible_with(received):
        return True
    # Keras adds or drops a last axis of size 1.
    if expected.rank == received.rank + 1 and expected[-1] == 1:
        return bool(expected[:-1].is_compatible_with(received))
    dropped = received.rank == expected.rank + 1 and received[-1] == 1
    return dropped and bool(received[:-1].is_compatible_with(expected))
