"""Copies of models, object by object: another model with all that the user's has.

Keras makes a layer again from its configuration, which lacks what a user added: here
every layer, variable and node of the graph is copied as it is, with its attributes. So
subclassed models, and models with attributes and methods of their own, need nothing.
"""

import collections
import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from tf_lottery.bindings.keras3._imports import backend, keras
from tf_lottery.bindings.shared.objects import (
    copied_or_shared,
    is_drawn_from,
    is_own_object,
)
from tf_lottery.bindings.shared.rebinding import FUNCTIONS, Rebinding

# Parts of Keras whose objects nothing changes.
_SHARED = ("keras.src.dtype_policies.", "keras.src.distribution.")
_PLAIN = str | bytes | int | float | complex | type
# What Keras compiles and keeps on a model.
_COMPILED = ("train_function", "test_function", "predict_function", "_jax_state")

Put = Callable[[Any], None]


class Copier:
    """Copies objects, and remembers which copy belongs to which object.

    Args:
        known: Pairs of an object and what stands for it in the copy, which may be None.
    """

    def __init__(self, *known: tuple[Any, Any]) -> None:
        self._copies = {id(value): copied for value, copied in known}
        self._alive = [value for value, _ in known]  # an id must not be used twice
        self._unfilled: collections.deque[tuple[Any, Any]] = collections.deque()
        self._functions: list[tuple[Put, Any]] = []

    def copied(self, model: Any) -> Any:
        """The copy of a model, complete."""
        made = self._of(model)
        # Not by recursion: the graph of a network is deeper than Python's stack.
        while self._unfilled:
            self._fill(*self._unfilled.popleft())
        rebinding = Rebinding(self.found)
        for put, function in self._functions:
            put(rebinding.of(function))
        for value in self._alive:
            if (copied := self.found(value)) is not None:
                _renew_ids(copied, value)
        return made

    def found(self, value: Any) -> Any:
        """What stands for an object in the copy; None if it has no copy."""
        return self._copies.get(id(value))

    def _of(self, value: Any) -> Any:
        """The copy of a value, whose parts may follow; or the value itself."""
        if id(value) not in self._copies:
            made = self._begun(value)
            if made is value:
                return value
            self._copies[id(value)] = made
            self._alive.append(value)
        return self._copies[id(value)]

    def _begun(self, value: Any) -> Any:
        if value is None or isinstance(value, (_PLAIN, *FUNCTIONS)):
            return value
        if isinstance(value, tuple):
            return self._tuple(value)
        if isinstance(value, np.ndarray):
            return value.copy()
        if (made := backend.copied(value)) is not None:
            return made
        if isinstance(value, dict | list | set | collections.deque):
            made = _empty(value)
        elif is_of_keras(value):
            made = object.__new__(type(value))
        elif is_drawn_from(value):
            return copied_or_shared(value, lambda: copy.deepcopy(value))
        elif is_own_object(value):
            made = copied_or_shared(value, lambda: copy.copy(value))
        else:
            return value
        if made is not value:
            self._unfilled.append((made, value))
        return made

    def _tuple(self, value: Any) -> Any:
        parts = list(map(self._of, value))
        if all(part is own for part, own in zip(parts, value, strict=True)):
            return value
        kind: Any = type(getattr(value, "__wrapped__", value))
        return kind(*parts) if hasattr(value, "_fields") else kind(parts)

    def _fill(self, made: Any, value: Any) -> None:
        # By the methods of Python: Keras and its frameworks track what is set.
        attributes = vars(value) if hasattr(made, "__dict__") else {}
        for name, part in list(attributes.items()):
            compiled = name in _COMPILED and isinstance(value, keras.Model)
            self._put(_setter(vars(made), name), None if compiled else part)
        if isinstance(value, dict):
            for key, part in list(value.items()):
                self._put(_setter(made, self._of(key)), part)
        elif isinstance(value, list | collections.deque):
            made.extend([None] * len(value))
            for number, part in enumerate(value):
                self._put(_setter(made, number), part)
        elif isinstance(value, set):
            for part in value:
                set.add(made, self._of(part))

    def _put(self, put: Put, part: Any) -> None:
        put(self._of(part))
        if _holds_function(part):
            self._functions.append((put, part))


def is_of_keras(value: Any) -> bool:
    """Whether it is an object of Keras that changes, or of a class below Keras'."""
    if not hasattr(value, "__dict__"):
        return False
    kinds = [f"{kind.__module__}." for kind in type(value).__mro__]
    return not kinds[0].startswith(_SHARED) and any(
        kind.startswith(("keras.", "keras_hub.", "torch.nn.")) for kind in kinds
    )


def _empty(value: Any) -> Any:
    if isinstance(value, collections.defaultdict):
        return collections.defaultdict(value.default_factory)
    if isinstance(value, collections.deque):
        return type(value)(maxlen=value.maxlen)
    kind: Any = type(getattr(value, "__wrapped__", value))
    if kind.__module__.startswith("tensorflow."):  # which wraps lists and dicts
        kind = list
    return kind.__new__(kind)


def _setter(made: Any, key: Any) -> Put:
    kinds = collections.OrderedDict, dict, list, collections.deque
    kind: Any = next(kind for kind in kinds if isinstance(made, kind))
    return lambda part: kind.__setitem__(made, key, part)


def _holds_function(value: Any) -> bool:
    if isinstance(value, tuple):
        return any(map(_holds_function, value))
    return isinstance(value, FUNCTIONS)


def _renew_ids(made: Any, value: Any) -> None:
    """Replaces the ids by which Keras knows the parts of some objects."""
    if isinstance(value, keras.src.utils.tracking.Tracker):
        stores = {name: store for name, (_, store) in made.config.items()}
        made.stored_ids = {name: set(map(id, store)) for name, store in stores.items()}
    elif isinstance(value, keras.Function):
        made._nodes = keras.src.ops.function.map_graph(made._inputs, made._outputs)[0]
    elif isinstance(value, keras.Optimizer):
        places = {made._var_key(v): n for n, v in enumerate(made._trainable_variables)}
        vars(made)["_trainable_variables_indices"] = places
