"""A file of arrays, for the tests that read, damage and replace it."""

import pytest

from tests.core.files import GROUPS, MASKS
from tf_lottery.core import archive


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.safetensors"


@pytest.fixture
def saved(path):
    archive.save(path, GROUPS, {"step": 3}, MASKS)
    return path
