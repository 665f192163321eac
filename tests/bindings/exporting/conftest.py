"""What differs between the Kerases where tests set something global."""

import pytest

from tests.bindings.exporting.subject import KERAS3, keras


@pytest.fixture
def global_policy():
    """Sets the global dtype policy for one test."""
    if KERAS3:
        before, set_policy = keras.config.dtype_policy(), keras.config.set_dtype_policy
    else:
        before = keras.mixed_precision.global_policy()
        set_policy = keras.mixed_precision.set_global_policy
    yield set_policy
    set_policy(before)
