"""The one place of this folder that imports TensorFlow."""

import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

__all__ = ["schema", "tf"]
