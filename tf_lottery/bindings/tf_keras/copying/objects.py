"""Copies of what a model holds in addition to layers: variables, generators, objects.

Whatever training may change must not be shared with the user's model.
"""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from tf_lottery.bindings.shared.objects import copied_or_shared, is_drawn_from
from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_shared.objects import copied


def copied_state(value: Any, replace: Callable[[Any], Any]) -> Any:
    """The copy of a variable, an array, a generator or a `tf.Module`; else None.

    `replace` gives the copies of what a module holds.

    Raises:
        ValueError: A table that training may change, which no ticket would hold.
    """
    if (made := copied(value)) is not None:
        return made
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, tf.Module) and not isinstance(value, keras.layers.Layer):
        memo = {id(part): replace(part) for part in _parts(value)}
        return copied_or_shared(value, lambda: copy.deepcopy(value, memo))
    if is_drawn_from(value):
        return copied_or_shared(value, lambda: copy.deepcopy(value))
    return None


def _parts(module: Any) -> list[Any]:
    """The layers of a module, and its variables that are not theirs."""
    kinds = keras.layers.Layer, tf.Variable, tf.random.Generator
    found = list(module._flatten(predicate=lambda part: isinstance(part, kinds)))
    layers = [part for part in found if isinstance(part, keras.layers.Layer)]
    inside = {id(part) for layer in layers for part in layer._flatten()}
    return [part for part in found if id(part) not in inside]
