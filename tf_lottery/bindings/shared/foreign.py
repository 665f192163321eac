"""What a ticket's file may make: classes of Keras, or that the program has imported."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

from tf_lottery.core.errors import TicketError
from tf_lottery.core.packages import is_known

# From a name to what is registered with Keras, or passed, under it; or None.
Registered = Callable[[str], Any]


def check_modules(description: Any, registered: Registered) -> None:
    """Raises if a description names a module that this program has not imported.

    Keras would import it: a ticket file could import any module on the path, and call
    its functions. Modules of Python itself are refused, too: they have functions and no
    layers. What is registered with Keras, or passed, is not looked for in a module.
    """
    for name, _ in _foreign(description, registered):
        if name not in sys.modules or name.split(".")[0] in sys.stdlib_module_names:
            raise TicketError(
                "The model of a ticket must be made of layers of Keras, or of modules "
                f"that your program has imported. Received: the module {name!r}. If "
                "you trust the file, import that module first, or pass "
                "`custom_objects` (on the command line, a recipe that has them as "
                "`--recipe`), or `safe_mode=False`."
            )


def foreign_in_words(description: Any, registered: Registered) -> str:
    """Classes in a description that are not of Keras, with their modules."""
    found = _foreign(description, registered)
    return ", ".join(sorted({f"{kind!r} of {name!r}" for name, kind in found}))


def in_short(error: BaseException) -> str:
    """What an error says, without the configuration that Keras adds."""
    said = str(error).split("Error encountered during deserialization:")[-1]
    said = said.split("Exception encountered:")[-1]
    said = said.split("Full object config")[0].split("using config=")[0]
    text = " ".join(said.split()) or type(error).__name__
    return f"{text[:300].rstrip('.')}."


def _foreign(part: Any, registered: Registered) -> Iterator[tuple[str, Any]]:
    """The modules that Keras would import, each with the class that it needs."""
    if isinstance(part, dict):
        name: Any = part.get("module")
        kind = part.get("class_name")
        names = part.get("registered_name"), kind, part.get("config")
        known = (
            isinstance(each, str) and registered(each) is not None for each in names
        )
        if isinstance(name, str) and not is_known(name) and not any(known):
            yield name, kind
        part = list(part.values())
    if isinstance(part, list | tuple):
        for value in part:
            yield from _foreign(value, registered)
