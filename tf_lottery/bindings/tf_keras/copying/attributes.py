"""What a user set on a model, as opposed to what Keras sets."""

import functools
from typing import Any

from tf_lottery.bindings.shared.objects import items
from tf_lottery.bindings.tf_keras._imports import keras

# The attribute of a masked copy that holds tfmot's wrappers.
WRAPPERS = "_lottery_wrappers"
# Attributes that are not the user's.
NOT_OWN = {
    # Keras sets them after a model is made, by compiling, training or loading.
    "_auto_config",
    "_compile_config",
    "_pss_evaluation_shards",
    "_serialized_attributes",
    "graph_debug_info",
    "loss",
    "signatures",
    "tensorflow_git_version",
    "tensorflow_version",
    # A search sets them on its copy.
    *("compile", "fit", "load_weights", WRAPPERS),
}


def plain_attributes(model: Any) -> dict[str, Any]:
    """Numbers, flags and texts that were set on a model of a user's class."""
    if type(model) in (keras.Sequential, keras.src.engine.functional.Functional):
        return {}
    own = sorted(own_attributes(model))
    return {name: v for name, v in own if isinstance(v, bool | int | float | str)}


def own_attributes(original: Any, copied: Any = None) -> list[tuple[str, Any]]:
    """What the user set on a model: not set by Keras, and not on the copy."""
    other = {*NOT_OWN, *vars(_plain_model() if copied is None else copied)}
    return [item for item in vars(original).items() if item[0] not in other]


def build_held(model: Any) -> None:
    """Builds layers without weights in attributes of a copy, such as random changes.

    Their random generators become part of the state before the step is traced. They
    are built for the shape of the model's inputs: without weights, a layer takes other
    shapes, too.

    Raises:
        ValueError: A layer that the user must build, as only a call says its shape.
    """
    if not model.built:
        return
    for name, value in sorted(own_attributes(model)):
        for layer in items(value):
            if isinstance(layer, keras.layers.Layer) and not layer.built:
                _build(layer, name, model.input_shape)


def _build(layer: Any, name: str, shape: Any) -> None:
    failed: Exception | None = None
    try:
        layer.build(shape)
    except Exception as error:  # layers raise whatever they like
        failed = error
    if failed or layer.weights:
        raise ValueError(
            "A layer that is an attribute of the model must be built before the search "
            f"for its weights to be copied and rewound. Received: {name!r} "
            f"({type(layer).__name__}), which was not called yet. Call "
            f"`model.{name}.build(shape)` with the shape of its inputs first."
        ) from failed


@functools.cache
def _plain_model() -> Any:
    """A compiled model, to see what Keras itself sets on models."""
    # Named, as Keras would number unnamed layers.
    layers = [keras.Input((1,), name="input"), keras.layers.Dense(1, name="dense")]
    model = keras.Sequential(layers, name="plain")
    model.compile()
    return model
