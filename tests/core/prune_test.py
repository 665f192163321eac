"""`prune` removes exactly the weights that a naive sort would remove."""

import re

import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tests.strategies import masked_scores, rates, scopes
from tf_lottery.core.masks import Masks
from tf_lottery.core.prune import prune


def naive_prune(masks, scores, rate, scope):
    """The oracle: sort the survivors by (score, position), drop the first ones."""
    kept = {path: masks[path].copy() for path in masks}
    for group in [list(masks)] if scope == "global" else [[path] for path in masks]:
        alive = [(n, i) for n, p in enumerate(group) for i in np.flatnonzero(masks[p])]
        alive.sort(key=lambda at: (scores[group[at[0]]].flat[at[1]], at))
        for n, i in alive[: round(rate * len(alive))]:
            kept[group[n]].flat[i] = False
    return Masks(kept)


def counts(masks, scope):
    return [masks.kept] if scope == "global" else list(masks.kept_by_layer().values())


@given(masked_scores(), rates, scopes)
def test_it_equals_the_naive_sort(drawn, rate, scope):
    masks, scores = drawn
    assert prune(masks, scores, rate, scope=scope) == naive_prune(*drawn, rate, scope)


@pytest.mark.parametrize("scope", ["layerwise", "global"])
@pytest.mark.parametrize("decimals", [1, 2, 9])
def test_it_equals_the_naive_sort_on_big_arrays_with_ties(scope, decimals):
    draw = np.random.default_rng(decimals)
    scores = {p: draw.normal(size=s).round(decimals) for p, s in BIG.items()}
    masks = Masks({path: draw.random(shape) < 0.7 for path, shape in BIG.items()})
    expected = naive_prune(masks, scores, 0.2, scope)
    assert prune(masks, scores, 0.2, scope=scope) == expected


BIG = {"a": (300, 100), "b": (100, 10), "c": (3, 3, 64, 64)}


@given(masked_scores(), rates, scopes)
def test_a_removed_weight_never_returns(drawn, rate, scope):
    masks, scores = drawn
    assert prune(masks, scores, rate, scope=scope).issubset(masks)


@given(masked_scores(), rates, scopes)
def test_exactly_the_rate_of_the_survivors_goes(drawn, rate, scope):
    masks, scores = drawn
    pruned = prune(masks, scores, rate, scope=scope)
    expected = [kept - round(rate * kept) for kept in counts(masks, scope)]
    assert counts(pruned, scope) == expected


@given(masked_scores(), rates)
def test_no_survivor_of_a_layer_scores_below_a_removed_weight(drawn, rate):
    masks, scores = drawn
    pruned = prune(masks, scores, rate)
    for path in masks:
        removed = scores[path][masks[path] & ~pruned[path]]
        survivors = scores[path][pruned[path]]
        assert removed.max(initial=-np.inf) <= survivors.min(initial=np.inf)


@given(masked_scores(), rates)
def test_no_survivor_anywhere_scores_below_a_globally_removed_weight(drawn, rate):
    masks, scores = drawn
    pruned = prune(masks, scores, rate, scope="global")
    removed = [scores[p][masks[p] & ~pruned[p]].max(initial=-np.inf) for p in masks]
    survivors = [scores[p][pruned[p]].min(initial=np.inf) for p in masks]
    assert max(removed) <= min(survivors)


@given(masked_scores(finite=True), rates, scopes, st.sampled_from([0.25, 2.0, 4.0]))
def test_the_scale_of_the_scores_does_not_matter(drawn, rate, scope, factor):
    masks, scores = drawn
    scores = {path: scores[path].astype(np.float64) for path in scores}
    scaled = {path: factor * scores[path] for path in scores}
    expected = prune(masks, scores, rate, scope=scope)
    assert prune(masks, scaled, rate, scope=scope) == expected


@given(masked_scores(min_layers=2), rates)
def test_the_order_of_the_layers_does_not_matter_layerwise(drawn, rate):
    masks, scores = drawn
    backwards = Masks({path: masks[path] for path in reversed(list(masks))})
    assert prune(backwards, scores, rate) == prune(masks, scores, rate)


@given(masked_scores(), rates, scopes, st.sampled_from([np.nan, np.inf, -np.inf, 0.0]))
def test_scores_of_removed_weights_are_not_looked_at(drawn, rate, scope, removed):
    masks, scores = drawn
    other = {p: np.where(masks[p], scores[p], removed) for p in scores}
    expected = prune(masks, scores, rate, scope=scope)
    assert prune(masks, other, rate, scope=scope) == expected


@given(masked_scores(), rates)
def test_one_layer_is_pruned_alike_in_both_scopes(drawn, rate):
    masks, scores = drawn
    path = next(iter(masks))
    masks = Masks({path: masks[path]})
    layerwise = prune(masks, scores, rate)
    assert prune(masks, scores, rate, scope="global") == layerwise


@given(st.integers(1, 60), rates)
def test_ties_go_in_the_order_of_their_position(size, rate):
    pruned = prune(Masks.full({"a": (size,)}), {"a": np.ones(size)}, rate)
    assert (pruned["a"] == (np.arange(size) >= round(rate * size))).all()


@pytest.mark.parametrize("paths", ["ab", "ba"])
def test_ties_between_layers_go_in_the_order_of_sorted_paths(paths):
    masks = Masks.full(dict.fromkeys(paths, (3,)))
    pruned = prune(masks, {"a": np.zeros(3), "b": np.zeros(3)}, 0.7, scope="global")
    assert pruned.kept_by_layer() == {"a": 0, "b": 2}


def test_negative_zero_ties_with_zero():
    pruned = prune(
        Masks.full({"a": (4,)}), {"a": np.array([0.0, -0.0, 0.0, -0.0])}, 0.5
    )
    assert pruned["a"].tolist() == [False, False, True, True]


@given(npst.arrays(np.float32, (4, 5), elements=st.sampled_from([0.0, 1.0])), rates)
@example(np.zeros((4, 5), np.float32), 0.5)
def test_the_memory_order_of_arrays_does_not_matter(scores, rate):
    masks = Masks({"a": np.asfortranarray(np.ones((4, 5), bool))})
    expected = prune(Masks.full({"a": (4, 5)}), {"a": scores}, rate)
    assert prune(masks, {"a": np.asfortranarray(scores)}, rate) == expected


@pytest.mark.parametrize("scope", ["layerwise", "global"])
def test_a_weight_without_dimensions_is_pruned_like_any_other(scope):
    masks, scores = Masks.full({"scale": ()}), {"scale": np.array(1.0)}
    assert prune(masks, scores, 0.9, scope=scope).kept == 0


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ml_dtypes.bfloat16, "i4", "u1"])
def test_every_type_of_number_is_ranked(dtype):
    scores = {"a": np.array([3, 1, 2, 4], dtype)}
    assert prune(Masks.full({"a": (4,)}), scores, 0.5)["a"].tolist() == [1, 0, 0, 1]


def test_layers_of_different_precision_are_ranked_together_without_rounding():
    # 1/3 rounds up in float16: a threshold in the wrong type would take it too.
    scores = {"half": np.float16([1 / 3, 2]), "double": np.array([1 / 3, 3])}
    masks = Masks.full({"half": (2,), "double": (2,)})
    pruned = prune(masks, scores, 0.25, scope="global")
    first = "half" if float(scores["half"][0]) < scores["double"][0] else "double"
    assert not pruned[first][0]
    assert pruned.kept == 3


@given(masked_scores(), scopes)
def test_nothing_is_removed_at_rate_zero(drawn, scope):
    masks, scores = drawn
    assert prune(masks, scores, 0.0, scope=scope) == masks


@pytest.mark.parametrize("scope", ["layerwise", "global"])
def test_a_rate_of_zero_leaves_a_layer_alone(scope):
    masks = Masks.full({"a": (10,), "b": (10,)})
    scores = {"a": np.zeros(10), "b": np.ones(10)}
    pruned = prune(masks, scores, {"a": 0.0, "b": 0.5}, scope=scope)
    assert pruned.kept_by_layer() == {"a": 10, "b": 5}


def test_each_layer_has_its_own_rate():
    masks = Masks.full({"a": (100,), "logits": (100,)})
    scores = {"a": np.arange(100.0), "logits": np.arange(100.0)}
    pruned = prune(masks, scores, {"a": 0.2, "logits": 0.1})
    assert pruned.kept_by_layer() == {"a": 80, "logits": 90}


def test_a_layer_too_small_to_lose_a_weight_is_left_alone():
    masks = Masks.full({"a": (2,), "b": (1,)})
    scores = {"a": np.zeros(2), "b": np.zeros(1)}
    assert prune(masks, scores, 0.2) == masks


@given(masked_scores(), rates, scopes)
def test_arguments_are_not_changed(drawn, rate, scope):
    masks, scores = drawn
    before = masks.digest(), {path: scores[path].tobytes() for path in scores}
    prune(masks, scores, rate, scope=scope)
    assert before == (masks.digest(), {p: scores[p].tobytes() for p in scores})


@pytest.mark.parametrize("scope", ["layerwise", "global"])
def test_nan_among_the_survivors_is_an_error_that_names_the_layer(scope):
    masks = Masks.full({"good": (2,), "bad": (2,)})
    scores = {"good": np.ones(2), "bad": np.array([1, np.nan])}
    with pytest.raises(ValueError, match="'bad' hold NaN"):
        prune(masks, scores, 0.5, scope=scope)


def test_scores_of_another_shape_are_an_error_that_says_both():
    with pytest.raises(ValueError, match=r"'a'.*\(2, 3\).*Received: \(3, 2\)"):
        prune(Masks.full({"a": (2, 3)}), {"a": np.ones((3, 2))}, 0.5)


@pytest.mark.parametrize("rate", [1, 1.0, 20, -0.1, np.nan])
def test_a_rate_that_is_no_fraction_is_an_error_that_says_so(rate):
    message = rf"`rate` must be in \[0, 1\). Received: {re.escape(str(rate))}"
    with pytest.raises(ValueError, match=message):
        prune(Masks.full({"a": (2,)}), {"a": np.ones(2)}, rate)


def test_rates_of_other_layers_are_an_error_that_names_them():
    with pytest.raises(ValueError, match=r"`rate` must name every mask.*'b'.*'a'"):
        prune(Masks.full({"a": (2,)}), {"a": np.ones(2)}, {"b": 0.5})


def test_an_unknown_scope_is_an_error():
    with pytest.raises(ValueError, match=r"`scope` must be.*'locally'"):
        prune(Masks.full({"a": (2,)}), {"a": np.ones(2)}, 0.5, scope="locally")


def test_two_rates_in_global_scope_are_an_error():
    masks, scores = Masks.full({"a": (2,), "b": (2,)}), dict.fromkeys("ab", np.ones(2))
    with pytest.raises(ValueError, match="all weights share one rate"):
        prune(masks, scores, {"a": 0.5, "b": 0.1}, scope="global")


# The bug museum: each of these shipped somewhere (PEERS.md).


@pytest.mark.parametrize("size", [1, 2, 5, 10, 235200])
def test_bug_of_open_lth_n_plus_one_weights_are_pruned(size):
    pruned = prune(Masks.full({"a": (size,)}), {"a": np.arange(float(size))}, 0.2)
    assert size - pruned.kept == round(0.2 * size)


@pytest.mark.parametrize("scope", ["layerwise", "global"])
def test_bug_of_open_lth_ties_wipe_a_layer(scope):
    masks = Masks.full({"a": (10,), "b": (10,)})
    scores = {"a": np.zeros(10), "b": np.zeros(10)}
    assert prune(masks, scores, 0.2, scope=scope).kept == 16


@pytest.mark.parametrize("scope", ["layerwise", "global"])
def test_bug_of_open_lth_an_emptied_layer_is_an_index_error(scope):
    masks = Masks({"empty": np.zeros(3, bool), "a": np.ones(10, bool)})
    scores = {"empty": np.zeros(3), "a": np.ones(10)}
    pruned = prune(masks, scores, 0.2, scope=scope)
    assert pruned.kept_by_layer() == {"empty": 0, "a": 8}


def test_bug_of_lottery_ticket_pruner_unmatched_layers_are_silently_not_pruned():
    with pytest.raises(ValueError, match="'dense/kernel' is missing"):
        prune(Masks.full({"dense/kernel": (2,)}), {"dense/w:0": np.ones(2)}, 0.5)
