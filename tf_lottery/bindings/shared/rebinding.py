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

from tf_lottery.bindings.shared.objects import (
    is_own_object,
    like_mapping,
    like_sequence,
    shell,
)

FUNCTIONS = types.FunctionType, types.MethodType, functools.partial
_EMPTY = object()  # the content of a cell without one
_READS = ("LOAD_GLOBAL", "LOAD_NAME")
_CONTAINERS = Mapping, list, tuple, set, frozenset, collections.deque


class Rebinding:
    """Replaces objects wherever values hold them.

    Looks into containers, bound methods, partials, and the closures and defaults of
    functions. A value that holds no replaced object is returned itself, and each value
    is replaced by one other, however often it is asked for.

    Args:
        replace: From an object to what stands for it; None if it stays.
        copies: Whether lists, dictionaries and objects of the user's classes are copied
            even if they hold no replaced object.
    """

    def __init__(self, replace: Callable[[Any], Any], *, copies: bool = False) -> None:
        self._replace = replace
        self._copies = copies
        self._done: dict[int, Any] = {}
        self._alive: list[Any] = []  # an id must not be used twice

    def of(self, value: Any) -> Any:
        """What stands for a value in the copy.

        Raises:
            ValueError: A function that reaches what is replaced by a global name, or
                that `tf.function` has wrapped.
        """
        if (found := self._replace(value)) is not None:
            return found
        if id(value) not in self._done:
            self._alive.append(value)
            self._done[id(value)] = value  # of a function that holds itself
            self._done[id(value)] = self._made(value)
        return self._done[id(value)]

    def _made(self, value: Any) -> Any:
        if self._copies and not isinstance(value, _CONTAINERS):
            if is_own_object(value):
                return self._object(value)
            # A function in an attribute shares what else it holds.
            return Rebinding(self._replace).of(value)
        self._check(value)
        if isinstance(value, types.FunctionType):
            return self._function(value) if self._reaches(value) else value
        parts, make = _apart(value)
        mine = [self.of(part) for part in parts]
        copies = self._copies and not isinstance(value, tuple | frozenset)
        same = all(part is own for part, own in zip(parts, mine, strict=True))
        return value if same and not copies else make(mine)

    def _function(self, value: types.FunctionType) -> Any:
        cells = value.__closure__ or ()
        mine = [
            types.CellType() if self._reaches(_content(cell)) else cell
            for cell in cells
        ]
        code, names = value.__code__, value.__globals__
        copied = types.FunctionType(code, names, value.__name__, None, tuple(mine))
        self._done[id(value)] = copied  # before its cells, which may hold it
        for attribute, held in value.__dict__.items():  # such as `__wrapped__`
            copied.__dict__[attribute] = self.of(held)
        copied.__defaults__ = self.of(value.__defaults__)
        copied.__kwdefaults__ = self.of(value.__kwdefaults__)
        for cell, own in zip(cells, mine, strict=True):
            if own is not cell:
                own.cell_contents = self.of(cell.cell_contents)
        return copied

    def _reaches(self, value: Any) -> bool:
        """Whether anything that a value holds, at any depth, is replaced."""
        waiting, seen = [value], {}  # by id, alive: an id must not be used twice
        while waiting:
            part = waiting.pop()
            if self._replace(part) is not None:
                return True
            if id(part) not in seen:
                seen[id(part)] = part
                waiting += _apart(part)[0]
        return False

    def _object(self, value: Any) -> Any:
        copied = shell(value)
        if copied is not value:
            self._done[id(value)] = copied  # before its parts, which may hold it
            for name, part in list(vars(value).items()):
                object.__setattr__(copied, name, self.of(part))
        return copied

    def _check(self, value: Any) -> None:
        """Raises if what a function reaches cannot be replaced."""
        function = _compiled(value)
        if function is not None and self._reaches(function):
            raise ValueError(
                f"{function.__name__!r} holds the model, and is wrapped by "
                "`tf.function` or a compiler like it, which cannot be copied. Remove "
                "it: Keras compiles the training step itself."
            )
        if not isinstance(value, types.FunctionType):
            return
        for name in _names(value.__code__):
            held = value.__globals__.get(name)
            if self.of(held) is not held or self._reaches(held):
                raise ValueError(
                    f"The function {value.__name__!r} reaches the model by the "
                    f"global name {name!r}: a copy of the model would train or read "
                    "the original. Make it a method of the model's class, where "
                    "`self` is the model, or define it in a function that holds "
                    f"{name!r} as a local name."
                )


def _compiled(value: Any) -> Any:
    """The function inside one that a framework compiles, as by `tf.function`; or None.

    Neither its parts nor its closure can be replaced.
    """
    if isinstance(value, types.FunctionType) or not callable(value):
        return None
    kind = f"{type(value).__module__}.".split(".")[0]
    if kind not in ("tensorflow", "jaxlib", "jax"):
        return None
    return getattr(value, "python_function", getattr(value, "__wrapped__", None))


def _apart(value: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The parts of a value, and a function that makes such a value of other parts."""
    if isinstance(value, Mapping):
        return list(value.values()), functools.partial(like_mapping, value)
    if isinstance(value, _CONTAINERS):
        return list(value), functools.partial(like_sequence, value)
    if isinstance(value, types.MethodType):
        parts = [value.__self__, value.__func__]
        return parts, lambda mine: types.MethodType(mine[1], mine[0])
    if isinstance(value, functools.partial):
        parts = [value.func, value.args, value.keywords]
        return parts, lambda mine: functools.partial(mine[0], *mine[1], **mine[2])
    if isinstance(value, types.FunctionType):
        held = map(_content, value.__closure__ or ())
        parts = [*held, value.__defaults__, value.__kwdefaults__]
        return parts, lambda mine: value  # see `Rebinding._function`
    return [], lambda mine: value


@functools.cache
def _names(code: types.CodeType) -> set[str]:
    """The global names that code reads, that of functions in it too."""
    inner = (part for part in code.co_consts if isinstance(part, types.CodeType))
    read = (i.argval for i in dis.get_instructions(code) if i.opname in _READS)
    return set(read).union(*map(_names, inner))


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # an empty cell
        return _EMPTY
