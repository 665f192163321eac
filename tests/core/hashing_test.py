"""A hash in pieces, some in a second thread, is the hash of the whole."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_lottery.core import hashing


@given(st.lists(st.binary(max_size=30)))
def test_the_hash_of_chunks_is_that_of_all_bytes(chunks):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(hashing, "_LARGE", 10)  # so that some are in the thread
        sha = hashing.Sha256()
        for chunk in chunks:
            sha.update(memoryview(chunk))
        found = sha.hexdigest()
    assert found == hashlib.sha256(b"".join(chunks)).hexdigest()
