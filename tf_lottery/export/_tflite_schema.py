"""The schema of TFLite files, which TensorFlow has and only exports need."""

from tensorflow.lite.python import schema_py_generated as schema

__all__ = ["schema"]
