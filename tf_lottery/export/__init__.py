"""Exports tickets as smaller files, and runs each to check it before keeping it."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tf_lottery.bindings.parts import Compaction as Compaction
    from tf_lottery.export.card import Card as Card
    from tf_lottery.export.files import Size as Size
    from tf_lottery.export.files import size as size
    from tf_lottery.export.options import Options as Options
    from tf_lottery.export.source import compact as compact
    from tf_lottery.export.source import strip as strip
    from tf_lottery.export.to_keras import keras_file as keras_file
    from tf_lottery.export.to_onnx import onnx as onnx
    from tf_lottery.export.to_saved_model import saved_model as saved_model
    from tf_lottery.export.to_tflite import tflite as tflite

_MODULES = {
    "Card": "export.card",
    "Compaction": "bindings.parts",
    "Options": "export.options",
    "Size": "export.files",
    "compact": "export.source",
    "keras_file": "export.to_keras",
    "onnx": "export.to_onnx",
    "saved_model": "export.to_saved_model",
    "size": "export.files",
    "strip": "export.source",
    "tflite": "export.to_tflite",
}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used (PEP 562)."""
    if name in _MODULES:
        return getattr(importlib.import_module(f"tf_lottery.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'tf_lottery.export' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
