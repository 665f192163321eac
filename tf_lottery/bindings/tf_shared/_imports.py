"""The one place of this folder that imports TensorFlow."""

import tensorflow as tf

__all__ = ["tf"]
