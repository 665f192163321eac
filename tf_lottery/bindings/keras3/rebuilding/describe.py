"""A model and how it is compiled, as plain values that a file can hold."""

import json
import warnings
from collections.abc import Mapping
from typing import Any

from tf_lottery.bindings.keras3._imports import keras
from tf_lottery.bindings.keras3.copying.fixed import own_attributes
from tf_lottery.bindings.keras3.process import serialising
from tf_lottery.core.packages import is_known

# PyTorch's own classes of Keras' optimizers, which another backend lacks.
_OF_TORCH = "keras.src.backend.torch.optimizers"


def describe(model: Any, optimizer: Any = None) -> dict[str, Any] | None:
    """The description of a compiled model, by which Keras makes it on any backend.

    None if Keras cannot serialise a part of it, such as a loss that is a partial. The
    optimizer is the one that trains the model; default: the model's own, as it is now.
    """
    with warnings.catch_warnings(), serialising():
        warnings.simplefilter("ignore")  # of lambdas, which only `model()` would run
        try:
            described: dict[str, Any] = keras.saving.serialize_keras_object(model)
            if compiled := described.get("compile_config"):
                # What it was compiled with may be a name, and not what was set since.
                optimizer = model.optimizer if optimizer is None else optimizer
                now = {
                    "optimizer": optimizer,
                    "run_eagerly": model.run_eagerly,
                    "jit_compile": model.jit_compile,
                }
                serialize = keras.saving.serialize_keras_object
                compiled |= {n: serialize(v) for n, v in now.items() if n in compiled}
            described = {**_portable(described), "binding": "keras3"}
            if names := needed_attributes(model):
                described["attributes"] = names
            json.dumps(described)
        except (TypeError, ValueError, NotImplementedError):
            return None
    return described


def needed_attributes(model: Any) -> list[str]:
    """What the user set on a model that its steps or its class may use, by name.

    Models of Keras' own classes use methods alone, such as a `compute_loss`.
    """
    of_keras = is_known(type(model).__module__)
    return [
        name
        for name in own_attributes(model)
        if not name.startswith("_") and (not of_keras or hasattr(keras.Model, name))
    ]


def _portable(values: Any) -> Any:
    if isinstance(values, Mapping):
        changed = {key: _portable(value) for key, value in values.items()}
        if str(changed.get("module")).startswith(_OF_TORCH):
            changed |= {"module": "keras.optimizers", "registered_name": None}
        return changed
    return list(map(_portable, values)) if isinstance(values, list | tuple) else values
