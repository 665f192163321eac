"""Masks are values: bool, read-only, equal wherever they come from."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tests.strategies import masked_scores
from tf_lottery.core.masks import Masks

some_masks = masked_scores().map(lambda drawn: drawn[0])


@given(some_masks)
def test_kept_and_size_are_counts(masks):
    flat = np.concatenate([masks[path].ravel() for path in masks])
    assert (masks.kept, masks.size) == (flat.sum(), flat.size)


@given(some_masks)
def test_density_and_sparsity_are_fractions_that_add_up_to_one(masks):
    assert masks.density == masks.kept / masks.size
    assert masks.density + masks.sparsity == pytest.approx(1)


@given(some_masks)
def test_shapes_are_those_of_the_arrays(masks):
    assert masks.shapes == {path: mask.shape for path, mask in masks.items()}


@given(some_masks)
def test_layers_are_counted_one_by_one(masks):
    kept = masks.kept_by_layer()
    assert kept == {path: int(masks[path].sum()) for path in masks}
    assert masks.by_layer() == {p: kept[p] / masks[p].size for p in masks}


def test_full_keeps_every_weight():
    masks = Masks.full({"a": (2, 3), "b": (4,)})
    assert (masks.kept, masks.size, masks.density) == (10, 10, 1.0)
    assert masks["a"].shape == (2, 3)


def test_an_array_cannot_be_written_to():
    masks = Masks.full({"a": (2,)})
    with pytest.raises(ValueError, match="read-only"):
        masks["a"][0] = False


def test_changing_the_source_changes_no_mask():
    source = np.ones(3, bool)
    masks = Masks({"a": source})
    source[0] = False
    assert masks.kept == 3


@pytest.mark.parametrize("array", [[1, 0], [1.0, 0.0], np.uint8([1, 1]), ["a"]])
def test_what_is_not_bool_is_an_error_that_names_the_path(array):
    with pytest.raises(TypeError, match=r"bool array.*'a/kernel'"):
        Masks({"a/kernel": array})


@pytest.mark.parametrize("arrays", [{}, {"k": np.zeros((0, 3), bool)}], ids=str)
def test_masks_of_nothing_remove_nothing(arrays):
    masks = Masks(arrays)
    assert (masks.density, masks.sparsity, masks.kept, masks.size) == (1, 0, 0, 0)
    assert masks.by_layer() == dict.fromkeys(arrays, 1)
    assert "100.0% of" in repr(masks)


@given(some_masks)
def test_equal_masks_have_equal_digests_and_hashes(masks):
    again = Masks({path: masks[path].copy() for path in reversed(list(masks))})
    assert again == masks
    assert (again.digest(), hash(again)) == (masks.digest(), hash(masks))


@given(some_masks, st.data())
def test_one_flipped_bit_makes_other_masks_with_another_digest(masks, data):
    path = data.draw(st.sampled_from(list(masks)))
    flipped = masks[path].copy()
    position = data.draw(st.integers(0, flipped.size - 1))
    flipped.flat[position] = not flipped.flat[position]
    other = Masks({**masks, path: flipped})
    assert other != masks
    assert other.digest() != masks.digest()


def test_paths_and_shapes_are_part_of_the_digest():
    digests = {
        Masks({"a": np.ones((2, 3), bool)}).digest(),
        Masks({"a": np.ones((3, 2), bool)}).digest(),
        Masks({"a": np.ones(6, bool)}).digest(),
        Masks({"b": np.ones(6, bool)}).digest(),
    }
    assert len(digests) == 4


@given(npst.arrays(bool, (3, 4)))
def test_memory_order_is_no_part_of_a_value(array):
    masks, other = Masks({"a": array}), Masks({"a": np.asfortranarray(array)})
    assert masks == other
    assert masks.digest() == other.digest()


def test_the_digest_is_the_same_on_every_machine():
    masks = Masks({"b": [[True, False, True]], "a": [False]})
    written = b"a(1,)" + b"\x00" + b"b(1, 3)" + bytes([0b10100000])
    assert masks.digest() == hashlib.sha256(written).hexdigest()


@given(masked_scores(), st.data())
def test_fewer_weights_are_a_subset_and_more_are_not(drawn, data):
    masks, _ = drawn
    path = data.draw(st.sampled_from(list(masks)))
    full = Masks({**masks, path: np.ones_like(masks[path])})
    none = Masks({**masks, path: np.zeros_like(masks[path])})
    assert masks.issubset(masks)
    assert none.issubset(masks)
    assert masks.issubset(full)
    assert not full.issubset(none)


@pytest.mark.parametrize(
    "other", [{"b": (4,)}, {"a": (4,), "b": (4,)}, {"a": (1, 4)}, {"a": (5,)}]
)
def test_masks_of_another_model_are_no_superset(other):
    assert not Masks.full({"a": (4,)}).issubset(Masks.full(other))


def test_no_masks_have_words_too():
    assert repr(Masks({})) == "Masks(0 kernels, 100.0% of 0 weights)"
