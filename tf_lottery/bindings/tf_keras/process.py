"""What TensorFlow and Keras keep for a whole process: each is put back afterwards."""

import contextlib
import random
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from tf_lottery.bindings.tf_keras._imports import context, keras, tf


def start() -> None:
    """Looks for devices: TensorFlow then writes its lines to the standard error."""
    tf.config.list_logical_devices()


def under(dtype_policy: Any) -> AbstractContextManager[None]:
    """See `Binding.under`."""
    policy = dtype_policy or keras.mixed_precision.global_policy()
    scope: AbstractContextManager[None]
    scope = keras.src.mixed_precision.policy.policy_scope(policy)
    return scope


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


@contextlib.contextmanager
def variable_generators(seed: int) -> Iterator[None]:
    """Random layers made inside keep their generator's state in a variable."""
    experimental = keras.backend.experimental
    enabled = experimental.is_tf_random_generator_enabled()
    seeds = keras.src.backend._SEED_GENERATOR
    before = getattr(seeds, "generator", None)
    experimental.enable_tf_random_generator()
    seeds.generator = random.Random(seed)
    try:
        yield
    finally:
        seeds.generator = before
        if not enabled:
            experimental.disable_tf_random_generator()


@contextlib.contextmanager
def names_from_zero() -> Iterator[None]:
    """Keras numbers unnamed layers from 0 inside."""
    counters = keras.src.backend.PER_GRAPH_OBJECT_NAME_UIDS
    before = dict(counters)
    keras.backend.reset_uids()
    try:
        yield
    finally:
        counters.clear()
        counters.update(before)
