"""The one place that imports Keras 3, and what depends on its backend."""

import importlib
from typing import Any

import keras

if tuple(map(int, keras.__version__.split(".")[:2])) < (3, 12):
    raise ImportError(
        "A search of a Keras 3 model needs Keras 3.12 or newer. Received: Keras "
        f"{keras.__version__}. Run `pip install --upgrade keras`."
    )

BACKEND: str = keras.backend.backend()
if BACKEND not in ("tensorflow", "jax", "torch"):
    raise ImportError(
        "A search trains on Keras' backend tensorflow, jax or torch. Received: "
        f"{BACKEND!r}. Set the environment variable KERAS_BACKEND before Keras is "
        "imported."
    )
backend: Any = importlib.import_module(f"tf_lottery.bindings.keras3.backends.{BACKEND}")

__all__ = ["BACKEND", "backend", "keras"]
