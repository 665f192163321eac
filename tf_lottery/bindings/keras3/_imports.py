"""The one place that imports Keras 3, and what depends on its backend."""

import importlib
from typing import Any

import keras

BACKEND: str = keras.backend.backend()
backend: Any = importlib.import_module(f"tf_lottery.bindings.keras3.backends.{BACKEND}")

__all__ = ["BACKEND", "backend", "keras"]
