"""What all tests share: quiet TensorFlow, a quick disk, a whole search, tiny data.

TensorFlow is imported where a test imports it, so that the others start at once.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import builtins
import contextlib

import numpy as np
import pytest

with contextlib.suppress(ImportError):  # tools/gpu_report.py runs where it is missing
    import hypothesis

    hypothesis.settings.register_profile(
        "tf_lottery", deadline=None, derandomize=True, print_blob=True
    )
    hypothesis.settings.load_profile("tf_lottery")


@pytest.hookimpl(tryfirst=True)  # before pytest leaves tests out by their marks
def pytest_collection_modifyitems(items):
    """Makes all cases of a test slow but the first, where the test asks for it."""
    seen = set()
    for item in items:
        elsewhere = any(map(item.get_closest_marker, ("slow", "gpu", "tpu", "network")))
        if item.get_closest_marker("first_case") and not elsewhere:
            test = item.nodeid.split("[")[0]
            if test in seen:
                item.add_marker(pytest.mark.slow)
            seen.add(test)


@pytest.fixture(autouse=True, scope="session")
def no_waiting_for_the_disk():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def no_reports():
    """A report takes a second; tests that want one write it, or run the command."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tf_lottery.search.find.write_report", lambda *given: "")
        yield


@pytest.fixture
def notebook(monkeypatch):
    """What rich sees of a Jupyter kernel."""

    class ZMQInteractiveShell:
        pass

    monkeypatch.setattr(builtins, "get_ipython", ZMQInteractiveShell, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")  # as ipykernel does


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A search that nothing disturbs: what it yielded, and its directory."""
    from tests.fakes import FakeTrainer
    from tests.search.searching import PLAN, search

    path = tmp_path_factory.mktemp("whole")
    return search(path, FakeTrainer(PLAN)), path


@pytest.fixture
def arrays():
    """Features and labels of 96 examples."""
    from tests import models

    return models.arrays()


@pytest.fixture
def batches():
    """The same examples in six batches, always in the same order."""
    from tests import models

    return models.batches()


@pytest.fixture
def validation():
    """Features and labels of 32 other examples."""
    from tests import models

    return models.arrays(32, seed=1)


@pytest.fixture
def global_policy():
    """Sets the global dtype policy for one test."""
    from tf_lottery.bindings.tf_keras._imports import keras

    before = keras.mixed_precision.global_policy()
    yield keras.mixed_precision.set_global_policy
    keras.mixed_precision.set_global_policy(before)


@pytest.fixture
def always_written(monkeypatch):
    """Checkpoints at each epoch's end, however short the epochs are."""
    from tf_lottery.training import checkpoint

    monkeypatch.setattr(checkpoint, "_SHARE", np.inf)
