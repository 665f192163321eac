"""Copies of what a model holds in addition to layers: variables, generators, objects.

Whatever training may change must not be shared with the user's model.
"""

import collections
import copy
import random
import sys
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

import numpy as np

from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.core.packages import KNOWN
from tf_lottery.core.words import warn

_RANDOM = (
    random.Random,
    np.random.Generator,
    np.random.RandomState,
    np.random.BitGenerator,
)
_CHANGING_TABLES = (
    tf.lookup.experimental.MutableHashTable,
    tf.lookup.experimental.DenseHashTable,
)


def copied_state(value: Any, replace: Callable[[Any], Any]) -> Any:
    """The copy of a variable, an array, a generator or a `tf.Module`; else None.

    `replace` gives the copies of what a module holds.

    Raises:
        ValueError: A table that training may change, which no ticket would hold.
    """
    if isinstance(value, tf.Variable):
        return _copied_variable(value)
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, tf.random.Generator):
        return tf.random.Generator.from_state(value.state.numpy(), value.algorithm)
    if isinstance(value, _CHANGING_TABLES):
        raise ValueError(
            "Values that training changes must be in variables, which are rewound. "
            f"Received: a {type(value).__name__} as an attribute of the model. Use a "
            "`tf.Variable`, or a `tf.lookup.StaticHashTable` for fixed values."
        )
    if isinstance(value, tf.Module) and not isinstance(value, keras.layers.Layer):
        memo = {id(part): replace(part) for part in _parts(value)}
        return _copied_or_shared(value, lambda: copy.deepcopy(value, memo))
    if is_drawn_from(value):
        return _copied_or_shared(value, lambda: copy.deepcopy(value))
    return None


def is_drawn_from(value: Any) -> bool:
    """Whether it is a generator or an iterator of Python, which each use changes."""
    return isinstance(value, _RANDOM) or hasattr(type(value), "__next__")


def is_own_object(value: Any) -> bool:
    """Whether it is an object of a class of the user's, which holds attributes."""
    known = (type, tf.Module, tf.Variable, tf.__internal__.tracking.AutoTrackable)
    if not hasattr(value, "__dict__") or isinstance(value, known):
        return False
    package = type(value).__module__.split(".")[0]
    return package not in {*KNOWN, "numpy", *sys.stdlib_module_names}


def shell(value: Any) -> Any:
    """A copy of a user's object that holds the same parts; else the object itself."""
    return _copied_or_shared(value, lambda: copy.copy(value))


def like_mapping(value: Any, values: Sequence[Any]) -> Any:
    """A mapping of the same class with other values, in the order of the keys."""
    parts = dict(zip(value, values, strict=True))
    plain = getattr(value, "__wrapped__", value)  # Keras tracks dictionaries
    if type(plain) is dict or not isinstance(plain, MutableMapping):
        return parts
    copied = copy.copy(plain)
    copied.update(parts)
    return copied


def like_sequence(value: Any, items: Sequence[Any]) -> Any:
    """A list, a tuple, a set or a deque of the same class with other items."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*items)
    if isinstance(value, list):  # also one that Keras tracks
        return items
    if isinstance(value, collections.deque):
        return type(value)(items, value.maxlen)
    return type(value)(items)


def _copied_variable(variable: Any) -> Any:
    return tf.Variable(
        tf.convert_to_tensor(variable),
        trainable=variable.trainable,
        name=variable.name.split(":")[0],
        dtype=variable.dtype,
        constraint=variable.constraint,
        synchronization=variable.synchronization,
        aggregation=variable.aggregation,
        shape=variable.shape,
    )


def _parts(module: Any) -> list[Any]:
    """The layers of a module, and its variables that are not theirs."""
    kinds = keras.layers.Layer, tf.Variable, tf.random.Generator
    found = list(module._flatten(predicate=lambda part: isinstance(part, kinds)))
    layers = [part for part in found if isinstance(part, keras.layers.Layer)]
    inside = {id(part) for layer in layers for part in layer._flatten()}
    return [part for part in found if id(part) not in inside]


def _copied_or_shared(value: Any, copied: Callable[[], Any]) -> Any:
    try:
        return copied()
    except Exception as error:  # its class may raise whatever it likes
        warn(
            "A search trains a copy of the model, and an attribute of the model cannot "
            f"be copied: {type(value).__name__} ({error}). The copy uses the same "
            "object: training may change it."
        )
        return value
