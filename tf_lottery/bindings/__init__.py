"""Which binding a model has: the one place that chooses, and that loads a binding.

A binding is a package that offers what `protocol.Binding` says. It is found by the
class of the model, and no Keras is imported that the process does not have.
"""

import importlib
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from tf_lottery.core.errors import TicketError

if TYPE_CHECKING:
    from tf_lottery.bindings.protocol import Binding

# The package of a Keras, and the binding of its models.
_BINDINGS = {"tf_keras": "tf_keras"}
_DEFAULT = "tf_keras"


def of(model: Any) -> "Binding":
    """The binding of a model, or of the model that a function will return.

    Raises:
        TypeError: A model of Keras 3, which no binding can search.
    """
    for package, name in _BINDINGS.items():
        if isinstance(model, getattr(sys.modules.get(package), "Model", ())):
            return load(name)
    keras3 = sys.modules.get("keras")
    if isinstance(model, getattr(keras3, "Model", ())):
        raise TypeError(
            "The model must be a tf_keras model, as tfmot cannot prune others. "
            f"Received: a Keras {getattr(keras3, '__version__', 3)} model. Make it "
            "after `import tf_keras as keras`."
        )
    return default()


def of_architecture(architecture: Mapping[str, Any] | None) -> "Binding":
    """The binding that can make the model of a ticket; without a name, tf_keras.

    Raises:
        TicketError: An unknown name. A file cannot choose other code.
    """
    name = (architecture or {}).get("binding", _DEFAULT)
    known = _BINDINGS.values()
    if name not in known:
        raise TicketError(
            f"The binding of a ticket must be one of {', '.join(map(repr, known))}. "
            f"Received: {name!r:.80}. A later version of tf_lottery may know it."
        )
    return load(name)


def default() -> "Binding":
    """The binding of models that do not exist yet."""
    return load(_DEFAULT)


def load(name: str) -> "Binding":
    """A binding by its name."""
    return cast("Binding", importlib.import_module(f"tf_lottery.bindings.{name}"))
