"""The Keras of the zoo's networks, and TensorFlow for its data and schedules.

The binding is loaded first: it may set variables that TensorFlow reads when imported.
"""

from typing import TYPE_CHECKING

from tf_lottery import bindings

if TYPE_CHECKING:
    import tf_keras as keras
else:
    keras = bindings.default().keras

import tensorflow as tf

# `cast`, `minimum` and `where`, which a step on any backend can take.
operations = getattr(keras, "ops", tf)

__all__ = ["keras", "operations", "tf"]
