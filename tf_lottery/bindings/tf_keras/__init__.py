"""The binding of tf_keras (Keras 2): see `tf_lottery.bindings.protocol.Binding`."""

from typing import Any

from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.callbacks import (
    check_use_no_other,
    checked_callbacks,
    warn_of_lost_counts,
)
from tf_lottery.bindings.tf_keras.checks.model import check_model, warn_if_trained
from tf_lottery.bindings.tf_keras.copying.by_name import by_name
from tf_lottery.bindings.tf_keras.copying.copier import copy_model
from tf_lottery.bindings.tf_keras.data.feeding import (
    contents,
    data_facts,
    data_notes,
    evaluated,
    feed,
)
from tf_lottery.bindings.tf_keras.data.forms import (
    first_batches,
    is_batches,
    is_ordered_by_seed,
    part,
    split,
)
from tf_lottery.bindings.tf_keras.devices import Devices, devices
from tf_lottery.bindings.tf_keras.exporting.network import Network as network
from tf_lottery.bindings.tf_keras.exporting.plain import masks_of, plain
from tf_lottery.bindings.tf_keras.identity import identity_of
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.bindings.tf_keras.loss_gradient import loss_gradient
from tf_lottery.bindings.tf_keras.models import built, called
from tf_lottery.bindings.tf_keras.process import seeded, start, under
from tf_lottery.bindings.tf_keras.rebuilding.fitting import basis
from tf_lottery.bindings.tf_keras.rebuilding.rebuild import lacks
from tf_lottery.bindings.tf_keras.rebuilding.ticket_model import apply, model
from tf_lottery.bindings.tf_keras.rebuilding.transfer import transfer
from tf_lottery.bindings.tf_keras.searched import searched
from tf_lottery.bindings.tf_keras.states import generators
from tf_lottery.bindings.tf_keras.tfmot.wrap import compiled_copy, redraw

__all__ = [
    "apply",
    "basis",
    "built",
    "by_name",
    "called",
    "check_model",
    "check_use_no_other",
    "checked_callbacks",
    "compiled_copy",
    "contents",
    "data_facts",
    "data_notes",
    "devices",
    "evaluated",
    "feed",
    "first_batches",
    "generator",
    "generators_of",
    "identity_of",
    "is_batches",
    "is_model",
    "is_ordered_by_seed",
    "keras",
    "lacks",
    "loss_gradient",
    "masks_of",
    "model",
    "network",
    "part",
    "plain",
    "redraw",
    "searched",
    "seeded",
    "split",
    "start",
    "trainable",
    "transfer",
    "under",
    "warn_if_trained",
    "warn_of_lost_counts",
    "weights_of",
]

NAME = "tf_keras"
PACKAGES = ("tensorflow", "tf_keras", "tensorflow-model-optimization")


def is_model(value: Any) -> bool:
    """Whether it is a tf_keras model."""
    return isinstance(value, keras.Model)


def weights_of(model: Any) -> dict[str, Any]:
    """Copies of the weights and non-trainable variables by path."""
    return {path: weight.numpy() for path, weight in named_weights(model).items()}


def trainable(model: Any) -> set[str]:
    """The paths of the trainable weights."""
    known = {id(weight) for weight in model.trainable_weights}
    return {path for path, each in named_weights(model).items() if id(each) in known}


def generators_of(model: Any, seed: int, devices: Devices | None) -> dict[str, Any]:
    """The states of a model's random generators in a search of that seed.

    All workers must call it, as variables are made in the scope of the devices.
    """
    with (devices or model.distribute_strategy).scope():
        copied = copy_model(model, seed)
    return {name: each.numpy() for name, each in generators(copied).items()}


def generator(seed: int) -> Any:
    """The state of one random generator under a seed."""
    return tf.random.Generator.from_seed(seed).state.numpy()
