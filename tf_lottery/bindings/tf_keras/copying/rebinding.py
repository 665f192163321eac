"""Values that hold a model, a layer or a variable, made to hold its copy instead.

A `train_step` that was set on a model, or the function of a `Lambda` layer, may reach
the model, its layers or their weights by a closure. In a copy of the model it must
reach those of the copy.
"""

import collections
import dis
import functools
import types
from collections.abc import Callable, Mapping
from typing import Any

from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.bindings.tf_keras.copying.objects import (
    is_own_object,
    like_mapping,
    like_sequence,
    shell,
)

# From an object to what stands for it in the copy; None: the object itself.
Replace = Callable[[Any], Any]

_MISSING = object()
_READS = ("LOAD_GLOBAL", "LOAD_NAME")
_CONTAINERS = Mapping, list, tuple, set, frozenset, collections.deque


def rebound(value: Any, replace: Replace) -> Any:
    """The value, with replacements wherever it holds what is replaced.

    Looks into containers, bound methods, partials, and the closures and defaults of
    functions. A value that holds no replaced object is returned itself.

    Raises:
        ValueError: A function that reaches what is replaced by a global name, or that
            `tf.function` has wrapped.
    """
    return Rebinding(replace).of(value)


class Rebinding:
    """See `rebound`; what is asked for twice is made once.

    Args:
        replace: From an object to what stands for it.
        copies: Whether lists, dictionaries and objects of the user's classes are copied
            even if they hold no replaced object.
    """

    def __init__(self, replace: Replace, *, copies: bool = False) -> None:
        self._replace = replace
        self._copies = copies
        self._done: dict[int, Any] = {}
        self._alive: list[Any] = []  # an id must not be used twice

    def of(self, value: Any) -> Any:
        """What stands for a value in the copy."""
        if (found := self._replace(value)) is not None:
            return found
        if id(value) not in self._done:
            self._alive.append(value)
            self._done[id(value)] = value  # of a function that holds itself
            self._done[id(value)] = self._inside(value)
        return self._done[id(value)]

    def _inside(self, value: Any) -> Any:
        if isinstance(value, _CONTAINERS):
            return self._container(value)
        if self._copies:
            return self._object(value) if is_own_object(value) else self._plain(value)
        return self._callable(value)

    def _container(self, value: Any) -> Any:
        copies = self._copies and not isinstance(value, tuple | frozenset)
        if isinstance(value, Mapping):
            parts = {key: self.of(part) for key, part in value.items()}
            differs = copies or _differs(value.values(), parts.values())
            return like_mapping(value, parts) if differs else value
        listed = list(value)
        items = [self.of(part) for part in listed]
        differs = copies or _differs(listed, items)
        return like_sequence(value, items) if differs else value

    def _object(self, value: Any) -> Any:
        copied = shell(value)
        if copied is not value:
            self._done[id(value)] = copied  # before its parts, which may hold it
            for name, part in list(vars(value).items()):
                object.__setattr__(copied, name, self.of(part))
        return copied

    def _plain(self, value: Any) -> Any:
        """Functions in attributes, which share what else they hold."""
        return Rebinding(self._replace).of(value)

    def _callable(self, value: Any) -> Any:
        if isinstance(value, types.MethodType):
            owner, function = self.of(value.__self__), self.of(value.__func__)
            changed = _differs((value.__self__, value.__func__), (owner, function))
            return types.MethodType(function, owner) if changed else value
        if isinstance(value, functools.partial):
            function = self.of(value.func)
            args, keywords = self.of(value.args), self.of(value.keywords)
            was = (value.func, value.args, value.keywords)
            if not _differs(was, (function, args, keywords)):
                return value
            return functools.partial(function, *args, **keywords)
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, tf.types.experimental.PolymorphicFunction):
            self._check_not_held(value.python_function)
        return value

    def _check_not_held(self, function: Any) -> None:
        if self.of(function) is not function:
            raise ValueError(
                f"{function.__name__!r} holds the model, and is wrapped by "
                "`tf.function`, which cannot be copied. Remove `tf.function`: Keras "
                "compiles the training step itself."
            )

    def _function(self, function: types.FunctionType) -> Any:
        self._check_globals(function)
        cells = function.__closure__ or ()
        held = [_content(cell) for cell in cells]
        mine = [part if part is _MISSING else self.of(part) for part in held]
        defaults = self.of(function.__defaults__)
        keywords = self.of(function.__kwdefaults__)
        was = (*held, function.__defaults__, function.__kwdefaults__)
        if not _differs(was, (*mine, defaults, keywords)):
            return function
        closure = tuple(
            cell if part is old else types.CellType(part)
            for cell, old, part in zip(cells, held, mine, strict=True)
        )
        copied = types.FunctionType(
            function.__code__,
            function.__globals__,
            function.__name__,
            defaults,
            closure,
        )
        copied.__kwdefaults__ = keywords
        copied.__dict__.update(function.__dict__)
        return copied

    def _check_globals(self, function: types.FunctionType) -> None:
        for name in _names(function.__code__):
            value = function.__globals__.get(name)
            if value is not None and self.of(value) is not value:
                raise ValueError(
                    f"The function {function.__name__!r} reaches the model by the "
                    f"global name {name!r}: a copy of the model would train or read "
                    "the original. Make it a method of the model's class, where "
                    "`self` is the model, or define it in a function that holds "
                    f"{name!r} as a local name."
                )


def _names(code: types.CodeType) -> set[str]:
    """The global names that code reads, that of functions in it too."""
    inner = (part for part in code.co_consts if isinstance(part, types.CodeType))
    read = (i.argval for i in dis.get_instructions(code) if i.opname in _READS)
    return set(read).union(*map(_names, inner))


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # an empty cell
        return _MISSING


def _differs(before: Any, after: Any) -> bool:
    return any(a is not b for a, b in zip(before, after, strict=True))
