"""Layers and metrics made from configurations, in copies and in files.

Keras does not find some of its own layers by name, such as SpectralNormalization. A
configuration may also hold a function itself, such as one that standardizes texts,
where Keras expects a description.
"""

import contextlib
import functools
from collections.abc import Mapping
from typing import Any

from tf_lottery.bindings.tf_keras._imports import keras


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


def by_name(custom_objects: Mapping[str, Any] | None = None) -> Any:
    """A scope in which Keras finds its own layers, and others, by their names."""
    return keras.saving.custom_object_scope({**not_found(), **(custom_objects or {})})


def made_of(kind: Any, config: Mapping[str, Any]) -> Any:
    """An object of a class, made from a configuration as `get_config` gives it."""
    try:
        return kind.from_config(dict(config))
    except Exception as error:  # its class may raise whatever it likes
        described, named = dict(config), {}
        for name, value in config.items():
            if callable(value) and not isinstance(value, type):
                key = f"tf_lottery>{name}"
                named[key] = value
                # What Keras takes for the description of a function in scope.
                described[name] = {"class_name": "function", "module": None}
                described[name] |= {"config": key, "registered_name": key}
        with keras.saving.custom_object_scope(named), contextlib.suppress(Exception):
            return kind.from_config(described)
        raise error
