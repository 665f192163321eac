"""The code behind `Ticket.model`, `apply` and `export`, loaded when one is called.

A ticket is a value, and `core` imports nothing above it. So a ticket names its binding
as data, `architecture["binding"]`, and the module is loaded by that name. A file cannot
choose other code: the name must be one of `BINDINGS`.
"""

import importlib
from collections.abc import Mapping
from typing import Any

from tf_lottery.core.errors import TicketError

# A ticket without a name belongs to the first one.
BINDINGS = ("tf_keras",)


def models(architecture: Mapping[str, Any] | None) -> Any:
    """The module that makes live models of tickets, in the binding that they name.

    Raises:
        TicketError: The binding is not known.
    """
    name = (architecture or {}).get("binding", BINDINGS[0])
    if name not in BINDINGS:
        raise TicketError(
            f"The binding of a ticket must be one of {', '.join(map(repr, BINDINGS))}. "
            f"Received: {name!r:.80}. A later version of tf_lottery may know it."
        )
    return importlib.import_module(
        f"tf_lottery.bindings.{name}.rebuilding.ticket_model"
    )


def export(ticket: Any, *arguments: Any, **options: Any) -> Any:
    """See `tf_lottery.export.formats.export`."""
    models(ticket.architecture)  # its binding is loaded before TensorFlow
    module = importlib.import_module("tf_lottery.export.formats")
    return module.export(ticket, *arguments, **options)
