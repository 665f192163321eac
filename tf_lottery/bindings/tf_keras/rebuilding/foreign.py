"""Which modules the description of a model may name.

Keras imports them: without this check, a ticket file could import any module on the
path, and call its functions.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.core.errors import TicketError
from tf_lottery.core.packages import is_known


def check_modules(description: Any, custom_objects: Mapping[str, Any]) -> None:
    """Raises if a description names a module that this program has not imported.

    Modules of Python itself are refused, too: they have functions and no layers. What
    is registered with Keras, or passed, is not looked for in a module.
    """
    for name, objects in _modules(description):
        root = name.partition(".")[0]
        if is_known(name) or any(_is_registered(o, custom_objects) for o in objects):
            continue
        if name not in sys.modules or root in sys.stdlib_module_names:
            raise TicketError(
                "The model of a ticket must be made of layers of Keras, or of modules "
                f"that your program has imported. Received: the module {name!r}. If "
                "you trust the file, import that module first, or pass "
                "`custom_objects` (on the command line, a recipe that has them as "
                "`--recipe`), or `safe_mode=False`."
            )


def not_of_keras(description: Any, custom_objects: Mapping[str, Any]) -> list[str]:
    """The classes and functions that Keras cannot find by itself, in words."""
    return sorted(
        {
            f"{objects[1]!r} of {name!r}"
            for name, objects in _modules(description)
            if not is_known(name)
            and not any(_is_registered(each, custom_objects) for each in objects)
        }
    )


def _modules(part: Any) -> Iterator[tuple[str, list[Any]]]:
    """The modules of objects, with the names that these may be registered under."""
    if isinstance(part, dict):
        if isinstance(part.get("module"), str):
            names = ("registered_name", "class_name", "config")
            yield part["module"], [part.get(name) for name in names]
        for value in part.values():
            yield from _modules(value)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from _modules(value)


def _is_registered(name: Any, custom_objects: Mapping[str, Any]) -> bool:
    if not isinstance(name, str):
        return False
    found = keras.saving.get_registered_object(name, dict(custom_objects))
    return found is not None
