"""The one place of exports that imports TensorFlow itself: its schema of TFLite files."""

from tensorflow.lite.python import schema_py_generated as schema

__all__ = ["schema"]
