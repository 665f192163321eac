"""Exports: files that are smaller, run, and are the ticket.

Each is read back and compared with the ticket's model before it gets its name.
"""

from tf_lottery.export.card import Card
from tf_lottery.export.compaction import Compaction, compact
from tf_lottery.export.files import Size, size
from tf_lottery.export.job import Options
from tf_lottery.export.source import strip
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
