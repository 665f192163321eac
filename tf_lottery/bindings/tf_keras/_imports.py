"""The one place that imports TensorFlow, tf_keras and tfmot, their inner parts too.

tfmot works on tf_keras (Keras 2). `tf.keras` is tf_keras, too, if the environment
variable is set before TensorFlow is imported for the first time.
"""

import os

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras
from tensorflow.python.eager import context
from tensorflow_model_optimization.python.core.sparsity.keras import (
    prune_registry,
    pruning_wrapper,
)

sparsity = tfmot.sparsity.keras

__all__ = ["context", "keras", "prune_registry", "pruning_wrapper", "sparsity", "tf"]
