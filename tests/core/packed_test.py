"""Bits are the mask that they were made of, whole and in chunks."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tf_lottery.core.packed import Packed

masks = npst.arrays(bool, npst.array_shapes(min_dims=0, min_side=0, max_side=9))


@given(masks)
def test_a_mask_comes_back(mask):
    packed = Packed.of(mask)
    assert packed.unpacked().shape == packed.shape == mask.shape
    assert np.array_equal(packed.unpacked(), mask)
    assert (packed.kept, packed.size) == (mask.sum(), mask.size)


@given(masks, st.sampled_from([8, 16, 1000]))
def test_chunks_are_the_mask_in_order(mask, size):
    chunks = [*Packed.of(mask).in_chunks(size)]
    assert np.concatenate(chunks).tolist() == mask.ravel().tolist()
    assert all(len(chunk) == size for chunk in chunks[:-1])


@given(masks, st.integers(0, 255))
def test_bits_after_the_last_weight_are_no_part_of_it(mask, noise):
    expected = Packed.of(mask)
    bits = expected.bits.copy()
    if unused := -mask.size % 8:
        bits[-1] |= noise % 2**unused
    before = bits.tobytes()
    found = Packed.of_bits(bits, mask.shape)
    assert found.bits.tobytes() == expected.bits.tobytes()
    assert (found.shape, found.kept) == (expected.shape, expected.kept)
    assert bits.tobytes() == before, "it may be hashed meanwhile"
