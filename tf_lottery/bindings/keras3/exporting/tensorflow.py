"""SavedModels of Keras 3, on its TensorFlow backend."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_lottery.bindings.keras3.layers import named_weights
from tf_lottery.bindings.tf_shared._imports import tf
from tf_lottery.core.words import quiet

_TABLES = tf.lookup.StaticHashTable, tf.saved_model.experimental.TrackableResource


def trackable(model: Any) -> Any:
    """What holds all that functions of a model use.

    Not the model itself: of its SavedModel the converter of TFLite makes a file that
    returns NaN.
    """
    held = tf.Module()
    held.by_path = {path: each.value for path, each in named_weights(model).items()}
    held.all = [variable.value for variable in model.variables]
    parts = [vars(layer).values() for layer in model._flatten_layers()]
    held.tables = [v for part in parts for v in part if isinstance(v, _TABLES)]
    return held


def save(model: Any, path: Path, signatures: Mapping[str, Any]) -> None:
    """See `Network.save_dense`."""
    with quiet():
        tf.saved_model.save(trackable(model), str(path), signatures=dict(signatures))


def read(path: Path) -> dict[str, Any]:
    """See `Network.read_dense`."""
    return dict(tf.saved_model.load(str(path)).by_path)
