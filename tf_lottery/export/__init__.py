"""Exports tickets as smaller files, and runs each to check it before keeping it."""

from tf_lottery.bindings.parts import Compaction
from tf_lottery.export.card import Card
from tf_lottery.export.files import Size, size
from tf_lottery.export.options import Options
from tf_lottery.export.source import compact, strip
from tf_lottery.export.to_keras import keras_file, saved_model
from tf_lottery.export.to_tflite import tflite

__all__ = [
    "Card",
    "Compaction",
    "Options",
    "Size",
    "compact",
    "keras_file",
    "saved_model",
    "size",
    "strip",
    "tflite",
]
