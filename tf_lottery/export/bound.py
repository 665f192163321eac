"""The binding of what is exported."""

from typing import TYPE_CHECKING, Any

from tf_lottery import bindings
from tf_lottery.core.ticket import Ticket

if TYPE_CHECKING:
    from tf_lottery.bindings.protocol import Binding, Network


def binding_of(exported: Any) -> "Binding":
    """The binding of a ticket or a model."""
    if isinstance(exported, Ticket):
        return bindings.of_architecture(exported.architecture)
    return bindings.of(exported)


def network(model: Any) -> "Network":
    """What exports ask a model."""
    return bindings.of(model).network(model)
