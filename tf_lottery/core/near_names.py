"""Names of arguments that were mistyped: the error says which was meant."""

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

Kind = TypeVar("Kind")


def meant(name: str, known: Iterable[str]) -> str:
    """A sentence that suggests the nearest known name; empty if none is near."""
    found = difflib.get_close_matches(name, list(known), 1)
    return f" Did you mean `{found[0]}`?" if found else ""


def check_names(function: Callable[..., Any], named: str, given: Iterable[str]) -> None:
    """Raises if a function is called with an argument that it does not have.

    `named` is what the user calls.
    """
    known = inspect.signature(function).parameters
    if any(each.kind is each.VAR_KEYWORD for each in known.values()):
        return
    for name in given:
        if name not in known:
            raise TypeError(
                f"{named}() got an unexpected keyword argument {name!r}."
                f"{meant(name, known)}"
            )


def known_fields(kind: type[Kind]) -> type[Kind]:
    """Decorates a dataclass whose fields are checked by `check_names`."""
    init: Callable[..., None] = vars(kind)["__init__"]

    @functools.wraps(init)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        check_names(init, kind.__name__, kwargs)
        init(self, *args, **kwargs)

    type.__setattr__(kind, "__init__", checked)
    return kind
