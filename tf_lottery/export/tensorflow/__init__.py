"""Writes SavedModels and TFLite files, and runs them: all that needs TensorFlow.

A binding may set variables that TensorFlow reads when it is imported, so one is loaded
before.
"""

import sys

from tf_lottery import bindings

if "tensorflow" not in sys.modules:
    bindings.default()
