"""Which binding a model has: the one place that chooses, and that loads a binding.

A binding is a package that offers what `protocol.Binding` says. It is found by the
class of the model, and no Keras is imported that the process does not have.
"""

import functools
import importlib
import importlib.util
import inspect
import sys
import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from tf_lottery.core.errors import TicketError
from tf_lottery.core.words import telling_line

if TYPE_CHECKING:
    from tf_lottery.bindings.parts import Devices
    from tf_lottery.bindings.protocol import Binding

# The package of a Keras, and the binding of its models.
_BINDINGS = {"tf_keras": "tf_keras", "keras": "keras3"}
# Tickets of earlier versions do not name a binding.
_FIRST = "tf_keras"
_chosen: list[str] = []


def of(model: Any) -> "Binding":
    """The binding of a model, or that which a function is called by."""
    for package, name in _BINDINGS.items():
        if isinstance(model, getattr(sys.modules.get(package), "Model", ())):
            return load(name)
    return default()


def binding_and_model(
    model: Any, seed: int, strategy: Any = None
) -> tuple["Binding", Any, "Devices | None"]:
    """The binding of a model, the model itself, and the devices that were asked for.

    A function that returns a model is called here. Which Keras it uses is known when it
    has been called: it is called again under the seeds of that Keras, if these were
    those of another.
    """
    binding, found = of(model), None
    while True:
        devices = None if strategy is None else binding.devices(strategy, model)
        try:
            found = binding.called(model, seed, devices)
        except (TypeError, ValueError) as error:
            if _takes_nothing(model):
                raise  # of what the function calls
            raise TypeError(
                "`model` must be a compiled Keras model, or a function without "
                f"arguments that returns one. Received: {_in_words(model)}, which "
                f"cannot be called in this way: {telling_line(error)}."
            ) from error
        if (own := of(found)) is binding:
            return binding, found, devices
        binding = own


def of_architecture(architecture: Mapping[str, Any] | None) -> "Binding":
    """The binding that can make the model of a ticket; without a name, tf_keras."""
    return load(name_of(architecture))


def name_of(architecture: Mapping[str, Any] | None) -> str:
    """The name of the binding that found a ticket; without a name, tf_keras.

    Raises:
        TicketError: An unknown name. A file cannot choose other code.
    """
    name = (architecture or {}).get("binding", _FIRST)
    known = _BINDINGS.values()
    if name not in known:
        raise TicketError(
            f"The binding of a ticket must be one of {', '.join(map(repr, known))}. "
            f"Received: {name!r:.80}. A later version of tf_lottery may know it."
        )
    return str(name)


def default() -> "Binding":
    """The binding of models that do not exist yet.

    It is the one that was chosen, or that of the one Keras that is imported; else that
    of tf_keras where it is installed.
    """
    if _chosen:
        return load(_chosen[-1])
    imported = [name for package, name in _BINDINGS.items() if package in sys.modules]
    if len(imported) == 1:
        return load(imported[0])
    return load(_FIRST if importlib.util.find_spec("tf_keras") else "keras3")


def choose(name: str) -> None:
    """Makes a binding the default of this process.

    Raises:
        ValueError: A name that is not known.
    """
    if name not in _BINDINGS.values():
        raise ValueError(
            f"The Keras must be one of {', '.join(map(repr, _BINDINGS.values()))}. "
            f"Received: {name!r}."
        )
    _chosen.append(name)


def load(name: str) -> "Binding":
    """A binding by its name."""
    return cast("Binding", importlib.import_module(f"tf_lottery.bindings.{name}"))


def _takes_nothing(model: Any) -> bool:
    """Whether it is a function without arguments."""
    if not isinstance(model, types.FunctionType | types.MethodType | functools.partial):
        return False
    try:
        inspect.signature(model).bind()
    except (TypeError, ValueError):  # of a partial with other arguments
        return False
    return True


def _in_words(model: Any) -> str:
    if isinstance(model, type):
        return f"the class `{model.__name__}`"
    named = getattr(model, "__name__", None)
    return f"the function `{named}`" if named else f"{type(model).__name__}"
