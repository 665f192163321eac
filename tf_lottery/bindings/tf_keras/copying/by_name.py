"""Layers of Keras that it does not find by their names, such as SpectralNormalization.

Keras makes a layer inside another from a name, in copies and in files.
"""

import functools
from collections.abc import Mapping
from typing import Any

from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.core.packages import is_known


@functools.cache
def not_found() -> Mapping[str, Any]:
    """Keras' own layers that need `custom_objects`, by name."""
    found = keras.src.layers.serialization
    found.populate_deserializable_objects()
    return {
        name: layer
        for name, layer in vars(keras.layers).items()
        if isinstance(layer, type)
        and issubclass(layer, keras.layers.Layer)
        and name not in found.LOCAL.ALL_OBJECTS
    }


def own_classes(model: Any) -> dict[str, type]:
    """The classes of a model's layers that are not of Keras, by name."""
    kinds = {type(part) for part in model._flatten_layers()}
    return {kind.__name__: kind for kind in kinds if not is_known(kind.__module__)}


def by_name(custom_objects: Mapping[str, Any] | None = None) -> Any:
    """A scope in which Keras finds its own layers, and others, by their names."""
    return keras.saving.custom_object_scope({**not_found(), **(custom_objects or {})})
