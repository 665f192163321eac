"""Global random seeds for a while: they are left as they were found."""

import contextlib
import random
from collections.abc import Iterator

import numpy as np

from tf_lottery.bindings.tf_keras._imports import context, keras


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Python, NumPy, TensorFlow and Keras draw from `seed` inside."""
    tensorflow = context.context()
    keras_seeds = keras.src.backend._SEED_GENERATOR
    python, numpy = random.getstate(), np.random.get_state()
    graph_seed = tensorflow._seed, getattr(tensorflow, "_rng", None)
    generator = getattr(keras_seeds, "generator", None)
    keras.utils.set_random_seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        tensorflow._seed, tensorflow._rng = graph_seed
        keras_seeds.generator = generator
