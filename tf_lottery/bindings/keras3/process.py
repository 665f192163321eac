"""What Python, Keras and its backend keep for a whole process, put back afterwards."""

import collections
import contextlib
import random
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from tf_lottery.bindings.keras3._imports import backend, keras

_STATE = keras.src.backend.common.global_state


def start() -> None:
    """Looks for devices."""
    backend.platform()


@contextlib.contextmanager
def under(dtype_policy: Any) -> Iterator[None]:
    """See `Binding.under`."""
    before = keras.config.dtype_policy()
    if dtype_policy:
        keras.config.set_dtype_policy(dtype_policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Python, NumPy, Keras and its backend draw from `seed` inside."""
    python, numpy = random.getstate(), np.random.get_state()
    generator = _STATE.get_global_attribute("global_seed_generator")
    random.seed(seed)
    np.random.seed(seed % 2**32)
    # What is drawn without a generator comes from one that is made under the seed.
    _STATE.set_global_attribute("global_seed_generator", None)
    try:
        with backend.seeded(seed):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        _STATE.set_global_attribute("global_seed_generator", generator)


@contextlib.contextmanager
def serialising() -> Iterator[None]:
    """Keras imports no TensorFlow inside, if the process has none.

    It does, where it is installed, to look for TensorFlow's shapes among the values.
    """
    found = keras.src.utils.module_utils.tensorflow
    before = found._available
    if "tensorflow" not in sys.modules:
        found._available = False
    try:
        yield
    finally:
        found._available = before


@contextlib.contextmanager
def names_from_zero() -> Iterator[None]:
    """Keras numbers unnamed layers from 0 inside."""
    before = _STATE.get_global_attribute("object_name_uids")
    _STATE.set_global_attribute("object_name_uids", collections.defaultdict(int))
    try:
        yield
    finally:
        _STATE.set_global_attribute("object_name_uids", before)
