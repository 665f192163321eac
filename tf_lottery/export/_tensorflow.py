"""What only exports need of TensorFlow: the schema of TFLite files."""

from tensorflow.lite.python import schema_py_generated as schema

__all__ = ["schema"]
