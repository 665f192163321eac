"""What differs between the Kerases where tests set something global."""

from pathlib import Path

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


@pytest.hookimpl(tryfirst=True)  # before pytest leaves tests out by their marks
def pytest_collection_modifyitems(items):
    """Makes the rules of layers slow for Keras 3: each is the same for tf_keras."""
    for item in items:
        here = item.path.parent == Path(__file__).parent
        if KERAS3 and here and item.path.name != "graph_test.py":
            item.add_marker(pytest.mark.slow)
