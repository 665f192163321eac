"""What the tests of a search share: a quick disk, and a whole search."""

import os

import pytest


@pytest.fixture(autouse=True, scope="module")
def no_waiting_for_the_disk():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A search that nothing disturbs: what it yielded, and its directory."""
    from tests.fakes import FakeTrainer
    from tests.search.searching import PLAN, search

    path = tmp_path_factory.mktemp("whole")
    return search(path, FakeTrainer(PLAN)), path
