"""Objects of the user's that a model holds, and containers with other parts in them."""

import collections
import copy
import random
import sys
import types
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

from tf_lottery.core.packages import KNOWN
from tf_lottery.core.words import warn

_RANDOM = (
    random.Random,
    np.random.Generator,
    np.random.RandomState,
    np.random.BitGenerator,
)
_FRAMEWORKS = ("numpy", "jax", "jaxlib", "torch")
# Classes of the frameworks, below which users write their own.
_TRACKED = ("AutoTrackable", "KerasSaveable", "Module", "Variable")


def items(value: Any) -> Iterator[Any]:
    """The value, or what lists, tuples and mappings hold at any depth."""
    if isinstance(value, list | tuple | Mapping):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from items(part)
    else:
        yield value


def is_drawn_from(value: Any) -> bool:
    """Whether it is a generator or an iterator of Python, which each use changes."""
    return isinstance(value, _RANDOM) or hasattr(type(value), "__next__")


def is_own_object(value: Any) -> bool:
    """Whether it is an object of a class of the user's, which holds attributes.

    Layers, modules and variables of the user's are not: they have copies of their own.
    """
    if not hasattr(value, "__dict__") or isinstance(value, type):
        return False
    if any(kind.__name__ in _TRACKED for kind in type(value).__mro__):
        return False
    if isinstance(value, types.SimpleNamespace):
        return True
    package = type(value).__module__.split(".")[0]
    return package not in {*KNOWN, *_FRAMEWORKS, *sys.stdlib_module_names}


def shell(value: Any) -> Any:
    """A copy of a user's object that holds the same parts; else the object itself."""
    return copied_or_shared(value, lambda: copy.copy(value))


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


def copied_or_shared(value: Any, copied: Callable[[], Any]) -> Any:
    """The copy that a function makes; if it fails, the value itself with a warning."""
    try:
        return copied()
    except Exception as error:  # its class may raise whatever it likes
        warn(
            "A search trains a copy of the model, and an attribute of the model cannot "
            f"be copied: {type(value).__name__} ({error}). The copy uses the same "
            "object: training may change it."
        )
        return value
