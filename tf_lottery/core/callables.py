"""Functions by name in files: known ones by one word, others as "module:function".

A function of a user is imported when it is called, not when a file is read: a plan may
come from anyone's file.
"""

import functools
import importlib
from collections.abc import Callable
from typing import Any


def name_of(function: Callable[..., Any]) -> str:
    """The name of a function or, for an instance, of its class: "module:name"."""
    if isinstance(function, _Named):
        return function.name
    kind = function if hasattr(function, "__qualname__") else type(function)
    return f"{kind.__module__}:{kind.__qualname__}"


def function_of(name: str) -> str | Callable[..., Any]:
    """The function that has this name in a file; a known name stays a name."""
    return _Named(name) if ":" in name else name


class _Named:
    """A function known by its name, "module:function"."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *arguments: Any) -> Any:
        module, _, qualname = self.name.partition(":")
        try:
            found: Any = importlib.import_module(module)
            found = functools.reduce(getattr, qualname.split("."), found)
            if isinstance(found, type):
                raise TypeError("the settings of its instance are not known")
        except (ImportError, AttributeError, ValueError, TypeError) as error:
            raise ValueError(
                f"{self.name!r} cannot be imported here: {error}. Its decisions cannot "
                "be derived again without it."
            ) from error
        return found(*arguments)

    def __eq__(self, other: object) -> bool:
        return callable(other) and name_of(other) == self.name

    def __hash__(self) -> int:
        return hash(self.name)
