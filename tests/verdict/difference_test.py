"""Paired differences: tickets from the dense network and from their controls."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import history, replicated
from tf_lottery.verdict.difference import Difference, differences
from tf_lottery.verdict.spread import Spread

# Accuracies on 10,000 images, in the float32 that Keras gives.
IMAGES = st.integers(5000, 8000)
PAIRS = st.lists(st.tuples(IMAGES, IMAGES), min_size=1, max_size=6)


def difference(ours, theirs, maximize=True):
    sides = (Spread(tuple(map(float, side))) for side in (ours, theirs))
    return Difference("dense", "test_accuracy", maximize, *sides)


def of_images(pairs, shift=0):
    scores = np.float32((np.array(pairs) + shift) / 10_000)
    return difference(*scores.T)


def found(searches, number=1):
    return {(d.against, d.metric): d for d in differences(searches, number)}


@given(PAIRS, st.integers(-4000, 1900))
def test_shifting_every_score_changes_no_difference(pairs, shift):
    shifted, plain = of_images(pairs, shift), of_images(pairs)
    assert shifted.spread == plain.spread
    assert shifted.resolved == plain.resolved
    assert shifted.better_in == plain.better_in


@given(PAIRS, st.randoms())
def test_the_order_of_the_replicates_changes_nothing(pairs, random):
    again = pairs.copy()
    random.shuffle(again)
    swapped, plain = of_images(again), of_images(pairs)
    assert sorted(swapped.spread.values) == sorted(plain.spread.values)
    assert swapped.spread.mean == plain.spread.mean
    assert swapped.resolved == plain.resolved


@given(PAIRS)
def test_the_other_side_loses_what_one_gains(pairs):
    ours, turned = of_images(pairs), of_images([pair[::-1] for pair in pairs])
    assert turned.resolved == -ours.resolved
    assert turned.spread.mean == pytest.approx(-ours.spread.mean)


def test_it_is_resolved_where_the_interval_leaves_out_zero():
    dense = (0.9, 0.9, 0.9, 0.9, 0.9)
    assert difference((0.91, 0.92, 0.91, 0.92, 0.93), dense).resolved == 1
    assert difference((0.89, 0.88, 0.89, 0.88, 0.87), dense).resolved == -1
    assert difference((0.91, 0.88, 0.90, 0.89, 0.93), dense).resolved == 0


def test_a_lower_loss_is_a_gain():
    lower = difference((0.3, 0.2, 0.25), (0.5, 0.45, 0.5), maximize=False)
    assert lower.spread.mean < 0 < lower.gain.mean
    assert (lower.resolved, lower.better_in) == (1, 3)


def test_one_replicate_and_equal_differences_resolve_nothing():
    assert difference((0.95,), (0.9,)).resolved == 0
    # Equal by two images' luck, not by certainty; in float32 not even equal.
    ours, theirs = np.float32([0.9788, 0.9712]), np.float32([0.9776, 0.97])
    assert len(set((ours - theirs).tolist())) == 2
    assert difference(ours, theirs).resolved == 0


def test_a_network_that_needs_thrice_the_steps_has_the_ratio_three():
    assert difference((100, 200), (300, 600)).ratio == 3
    assert difference((0, 0), (300, 600)).ratio is None


# What is compared with what: rows are (density, validation, test, best step).

DENSE = (1.0, 0.9, 0.88, 100)


def test_test_figures_and_steps_are_compared_with_the_dense_network():
    of = found(replicated([DENSE, (0.4, 0.9, 0.89, 80)], [DENSE, (0.4, 0.9, 0.9, 90)]))
    assert list(of) == [("dense", "test_accuracy"), ("dense", "best_step")]
    assert of["dense", "test_accuracy"].spread.values == (0.01, 0.02)
    assert of["dense", "best_step"].spread.values == (-20, -10)


def test_without_test_data_the_monitored_score_is_compared():
    of = found(history([(1.0, 0.9, 100), (0.4, 0.92, 80)]))
    assert of["dense", "val_accuracy"].spread.values == (0.02,)


def test_the_draws_of_a_control_are_averaged_within_their_replicate():
    rows = [DENSE, (0.4, 0.9, 0.9, 80)]
    controls = {
        (0, "reinit", 0, 1): (0.9, 0.80, 200),
        (0, "reinit", 1, 1): (0.9, 0.90, 300),
        (1, "reinit", 0, 1): (0.9, 0.87, 400),
    }
    of = found(replicated(rows, rows, controls=controls))
    assert of["reinit", "test_accuracy"].theirs.values == pytest.approx((0.85, 0.87))
    assert of["reinit", "best_step"].theirs.values == (250, 400)


def test_a_draw_without_a_figure_is_left_out():
    controls = {
        (0, "reinit", 0, 1): (0.9, np.nan, 200),
        (0, "reinit", 1, 1): (0.9, 0.87, 300),
    }
    of = found(replicated([DENSE, (0.4, 0.9, 0.9, 80)], controls=controls))
    assert of["reinit", "test_accuracy"].theirs.values == (0.87,)


def test_only_replicates_that_have_both_are_compared():
    rows = [DENSE, (0.4, 0.9, 0.9, 80)]
    searches = [*([rows] * 3), [DENSE]]
    controls = {
        (1, "reinit", 0, 1): (0.9, 0.87, 200),
        (3, "reinit", 0, 0): (0.9, 0.87, 200),
        (1, "shuffle", 0, 1): (0.9, np.nan, 200),
    }
    of = found(replicated(*searches, controls=controls))
    assert len(of["dense", "test_accuracy"]) == 3
    assert len(of["reinit", "test_accuracy"]) == 1
    assert ("shuffle", "test_accuracy") not in of


def test_the_dense_network_is_compared_with_its_controls_alone():
    controls = {(0, "reinit", 0, 0): (0.9, 0.87, 200)}
    of = found(replicated([DENSE], controls=controls), number=0)
    assert list(of) == [("reinit", "test_accuracy"), ("reinit", "best_step")]
