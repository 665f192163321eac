"""TensorFlow, for exports: it writes and runs their files, whatever Keras made them.

A binding may set variables that TensorFlow reads when it is imported, so one is loaded
before.
"""

import sys

from tf_lottery import bindings

if "tensorflow" not in sys.modules:
    bindings.default()

import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

__all__ = ["schema", "tf"]
