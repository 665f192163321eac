"""The binding of Keras 3, on its backends TensorFlow, JAX and PyTorch.

See `tf_lottery.bindings.protocol.Binding`.
"""

# ruff: noqa: F401 (what is imported is offered)

from typing import Any

from tf_lottery.bindings.keras3._imports import BACKEND, backend, keras
from tf_lottery.bindings.keras3.callbacks import check_use_no_other, checked_callbacks
from tf_lottery.bindings.keras3.checks.model import check_model
from tf_lottery.bindings.keras3.comparable import identity_of
from tf_lottery.bindings.keras3.data import feeding, forms
from tf_lottery.bindings.keras3.devices import devices, strategy_in_scope
from tf_lottery.bindings.keras3.exporting.network import Network as network
from tf_lottery.bindings.keras3.exporting.network import by_name
from tf_lottery.bindings.keras3.exporting.onnx import onnx_writer
from tf_lottery.bindings.keras3.exporting.plain import masks_of, plain
from tf_lottery.bindings.keras3.layers import trainable, weights_of
from tf_lottery.bindings.keras3.loss_gradient import loss_gradient
from tf_lottery.bindings.keras3.models import (
    built,
    called,
    compiled_copy,
    generator,
    generators_of,
    redraw,
)
from tf_lottery.bindings.keras3.process import seeded, start, under
from tf_lottery.bindings.keras3.rebuilding.describe import describe
from tf_lottery.bindings.keras3.rebuilding.rebuild import basis, lacks
from tf_lottery.bindings.keras3.rebuilding.ticket_model import apply, model
from tf_lottery.bindings.keras3.rebuilding.transfer import transfer
from tf_lottery.bindings.keras3.searched import searched
from tf_lottery.bindings.shared.callbacks import warn_of_lost_counts

contents = feeding.contents
data_facts = feeding.data_facts
data_notes = feeding.data_notes
evaluated = feeding.evaluated
feed = feeding.feed
first_digests = feeding.first_digests
first_batches = forms.first_batches
is_batches = forms.is_batches
is_ordered_by_seed = forms.is_ordered_by_seed
readable = forms.readable
split = forms.split

NAME = "keras3"
WRITES_TENSORFLOW = BACKEND == "tensorflow"
PACKAGES = ("keras", *backend.PACKAGES)


def is_model(value: Any) -> bool:
    """Whether it is a Keras 3 model."""
    return isinstance(value, keras.Model)
