"""The code behind a ticket's methods that need Keras, loaded when one is called.

A ticket is a value, and `core` imports nothing above it. So a ticket names its binding
as data, `architecture["binding"]`. A file cannot choose what code is loaded: the name
must be one of `BINDINGS`.
"""

import importlib
from collections.abc import Mapping
from typing import Any

from tf_lottery.core.errors import TicketError

# Tickets that name none are of the first one.
BINDINGS = ("tf_keras",)


def models(architecture: Mapping[str, Any] | None) -> Any:
    """The module that makes live models of tickets, of the binding that they name.

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


def export(*arguments: Any, **options: Any) -> Any:
    """See `tf_lottery.export.formats.export`."""
    module = importlib.import_module("tf_lottery.export.formats")
    return module.export(*arguments, **options)
