"""The binding of tf_keras (Keras 2): see `tf_lottery.bindings.protocol.Binding`."""

# ruff: noqa: F401 (what is imported is offered)

from typing import Any

from tf_lottery.bindings.tf_keras._imports import keras  # isort: skip (first)
from tf_lottery.bindings.shared.callbacks import warn_of_lost_counts
from tf_lottery.bindings.tf_keras.callbacks import check_use_no_other, checked_callbacks
from tf_lottery.bindings.tf_keras.checks.model import check_model
from tf_lottery.bindings.tf_keras.comparable import identity_of
from tf_lottery.bindings.tf_keras.copying.by_name import by_name
from tf_lottery.bindings.tf_keras.exporting.network import Network as network
from tf_lottery.bindings.tf_keras.exporting.network import (
    masks_of,
    onnx_writer,
    plain,
)
from tf_lottery.bindings.tf_keras.layers import trainable, weights_of
from tf_lottery.bindings.tf_keras.loss_gradient import loss_gradient
from tf_lottery.bindings.tf_keras.models import (
    built,
    called,
    devices,
    generator,
    generators_of,
)
from tf_lottery.bindings.tf_keras.process import seeded, start, under
from tf_lottery.bindings.tf_keras.rebuilding.rebuild import basis, lacks
from tf_lottery.bindings.tf_keras.rebuilding.ticket_model import apply, describe, model
from tf_lottery.bindings.tf_keras.rebuilding.transfer import transfer
from tf_lottery.bindings.tf_keras.searched import searched
from tf_lottery.bindings.tf_keras.tfmot.wrap import compiled_copy, redraw
from tf_lottery.bindings.tf_shared.data.feeding import (
    contents,
    data_facts,
    data_notes,
    evaluated,
    feed,
    first_digests,
)
from tf_lottery.bindings.tf_shared.data.forms import (
    first_batches,
    is_batches,
    is_ordered_by_seed,
    readable,
    split,
)
from tf_lottery.bindings.tf_shared.devices import strategy_in_scope

NAME = "tf_keras"
WRITES_TENSORFLOW = True
PACKAGES = ("tensorflow", "tf_keras", "tensorflow-model-optimization")


def is_model(value: Any) -> bool:
    """Whether it is a tf_keras model."""
    return isinstance(value, keras.Model)
