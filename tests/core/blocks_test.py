"""In blocks, `prune` removes exactly the blocks that a naive sort would remove."""

import warnings

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given

from tests.strategies import block_numbers, blocked_scores, in_blocks, rates
from tf_lottery.core.masks import Masks
from tf_lottery.core.prune import prune


def naive_prune(masks, scores, rate, block_size):
    """The oracle: sort the kept blocks by (mean, position), drop the first ones."""
    kept = {}
    for path, mask in masks.items():
        block = block_numbers(mask.shape, block_size)
        means = {n: scores[path][block == n].mean(dtype=float) for n in block[mask]}
        ranked = sorted(means, key=lambda n, means=means: (means[n], n))
        removed = ranked[: round(rate * len(ranked))]
        kept[path] = mask & ~np.isin(block, removed)
    return Masks(kept)


@given(blocked_scores(), rates)
def test_it_equals_the_naive_sort_of_blocks(drawn, rate):
    masks, scores, block_size = drawn
    expected = naive_prune(masks, scores, rate, block_size)
    assert prune(masks, scores, rate, block_size=block_size) == expected


@given(blocked_scores(), rates)
def test_blocks_stay_or_go_as_a_whole_and_never_return(drawn, rate):
    masks, scores, block_size = drawn
    pruned = prune(masks, scores, rate, block_size=block_size)
    assert in_blocks(pruned, block_size)
    assert pruned.issubset(masks)


@given(blocked_scores(), rates)
def test_exactly_the_rate_of_the_blocks_goes(drawn, rate):
    masks, scores, block_size = drawn
    pruned = prune(masks, scores, rate, block_size=block_size)
    for path in masks:
        block = block_numbers(masks[path].shape, block_size)
        before, after = (len(np.unique(block[m[path]])) for m in (masks, pruned))
        assert after == before - round(rate * before)


@given(blocked_scores(), rates)
def test_scores_of_removed_blocks_are_not_looked_at(drawn, rate):
    masks, scores, block_size = drawn
    other = {p: np.where(masks[p], scores[p], 0.5) for p in scores}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pruned = prune(masks, scores, rate, block_size=block_size)
    assert pruned == prune(masks, other, rate, block_size=block_size)


@given(blocked_scores(), rates)
def test_the_memory_order_of_arrays_does_not_matter(drawn, rate):
    masks, scores, block_size = drawn
    other = {path: np.asfortranarray(scores[path] / 3) for path in scores}
    scores = {path: scores[path] / 3 for path in scores}  # sums that are rounded
    expected = prune(masks, scores, rate, block_size=block_size)
    assert prune(masks, other, rate, block_size=block_size) == expected


def pruned_of(scores, rate, block_size):
    """The mask of one weight after pruning it once."""
    scores = np.asarray(scores)
    masks = Masks.full({"a": scores.shape})
    return prune(masks, {"a": scores}, rate, block_size=block_size)["a"]


def test_units_and_inputs_are_columns_and_rows_of_a_keras_kernel():
    scores = np.ones((4, 4))
    scores[:, 2] = 0  # the inputs of unit 2
    assert (pruned_of(scores, 0.25, (1, 4)) == (scores == 1)).all()
    scores = np.ones((4, 4))
    scores[2, :] = 0  # what all units do with input 2, as in tfmot's (1, 4)
    assert (pruned_of(scores, 0.25, (4, 1)) == (scores == 1)).all()


def test_a_block_is_scored_by_its_mean():
    scores = np.array([[9, 5], [0, 5], [0, 5], [0, 5]])
    assert pruned_of(scores, 0.5, (1, 4)).tolist() == [[False, True]] * 4


def test_ties_go_by_the_position_of_the_block_in_the_keras_kernel():
    pruned = pruned_of(np.ones((4, 4)), 0.5, (1, 2))
    assert pruned.tolist() == [[False] * 4] * 2 + [[True] * 4] * 2


@pytest.mark.parametrize(
    "shape", [(), (8,), (9, 4), (4, 9), (2, 3), (4, 4, 4), (3, 3, 4, 4)], ids=str
)
def test_what_is_no_matrix_that_the_block_divides_is_pruned_weight_by_weight(shape):
    scores = np.random.default_rng(0).random(shape)
    expected = pruned_of(scores, 0.4, (1, 1))
    assert (pruned_of(scores, 0.4, (4, 4)) == expected).all()


def test_a_layer_of_few_blocks_is_left_alone():
    assert pruned_of(np.ones((8, 1)), 0.2, (1, 4)).all()


def test_each_layer_has_its_own_rate_also_none():
    masks, scores = Masks.full(SHAPES), {p: np.ones(s) for p, s in SHAPES.items()}
    pruned = prune(masks, scores, {"a": 0.0, "b": 0.5}, block_size=(1, 4))
    assert pruned.kept_by_layer() == {"a": 16, "b": 8}


SHAPES = {"a": (4, 4), "b": (4, 4)}


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ml_dtypes.bfloat16, "i4", "u1"])
def test_means_of_every_type_of_number_are_neither_rounded_nor_too_big(dtype):
    scores = np.array([[250, 250], [249, 250], [250, 250], [250, 250]], dtype)
    assert pruned_of(scores, 0.5, (1, 4))[0].tolist() == [False, True]


def test_a_mean_of_half_precision_does_not_overflow():
    scores = np.array([[60000, 50000], [60000, 50000]], np.float16)
    assert pruned_of(scores, 0.5, (1, 2))[0].tolist() == [True, False]


# What cannot work.


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_kept_block_without_a_mean_is_an_error_that_names_the_layer(bad):
    scores = np.array([[bad, 1], [-bad, 1]])
    with pytest.raises(ValueError, match="'a' hold NaN"):
        pruned_of(scores, 0.5, (1, 2))


def test_masks_of_single_weights_are_an_error_that_names_the_layer():
    mask = np.ones((4, 4), bool)
    mask[1, 2] = False
    with pytest.raises(ValueError, match="'a' must keep or remove whole blocks"):
        prune(Masks({"a": mask}), {"a": np.ones((4, 4))}, 0.5, block_size=(1, 4))


@pytest.mark.parametrize("block_size", [4, (1, 0), (1.0, 4), (True, 4), "14", (4,)])
def test_what_is_no_block_size_is_an_error_that_shows_it(block_size):
    with pytest.raises(ValueError, match="`block_size` must be two int") as error:
        pruned_of(np.ones((4, 4)), 0.5, block_size)
    assert repr(block_size) in str(error.value)


def test_blocks_in_global_scope_are_an_error():
    masks, scores = Masks.full(SHAPES), {p: np.ones(s) for p, s in SHAPES.items()}
    assert prune(masks, scores, 0.5, scope="global", block_size=(1, 1)).kept == 16
    with pytest.raises(ValueError, match='scope="layerwise"'):
        prune(masks, scores, 0.5, scope="global", block_size=(1, 4))
