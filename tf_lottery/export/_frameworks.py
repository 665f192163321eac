"""The binding of what is exported, and TensorFlow, which writes and runs the files.

A binding may set variables that TensorFlow reads when it is imported, so one is loaded
before.
"""

import sys
from typing import TYPE_CHECKING, Any

from tf_lottery import bindings
from tf_lottery.core.ticket import Ticket

if "tensorflow" not in sys.modules:
    bindings.default()

import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

if TYPE_CHECKING:
    from tf_lottery.bindings.protocol import Binding, Network

__all__ = ["binding_of", "network", "schema", "tf"]


def binding_of(exported: Any) -> "Binding":
    """The binding of a ticket or a model."""
    if isinstance(exported, Ticket):
        return bindings.of_architecture(exported.architecture)
    return bindings.of(exported)


def network(model: Any) -> "Network":
    """What exports ask a model."""
    return bindings.of(model).network(model)
