"""Overlap, union and intersection of tickets, beside sets of positions."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tf_lottery.core.algebra import expected_overlap, intersection, overlap, union
from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks
from tf_lottery.core.ticket import Ticket

FUNCTIONS = [overlap, expected_overlap, union, intersection]


@st.composite
def pairs(draw):
    """Two masks of one model; also of shape (), empty, and full."""
    one, other = {}, {}
    for number in range(draw(st.integers(1, 3))):
        shape = draw(npst.array_shapes(min_dims=0, max_dims=3, max_side=5))
        masks = npst.arrays(bool, shape) | st.booleans().map(
            lambda value, shape=shape: np.full(shape, value)
        )
        one[f"layer{number}/kernel"] = draw(masks)
        other[f"layer{number}/kernel"] = draw(masks)
    return Masks(one), Masks(other)


def positions(masks, path):
    return set(np.flatnonzero(masks[path]))


@given(pairs())
def test_they_are_those_of_sets(pair):
    one, other = pair
    for path in one:
        a, b = positions(one, path), positions(other, path)
        assert positions(union(one, other), path) == a | b
        assert positions(intersection(one, other), path) == a & b
        jaccard = len(a & b) / len(a | b) if a | b else 1.0
        assert overlap(one, other)[path] == jaccard


@given(pairs())
def test_shapes_and_order_of_layers_stay(pair):
    for function in (union, intersection):
        found = function(*pair)
        assert found.shapes == pair[0].shapes
        assert list(found) == list(pair[0])


@given(pairs())
def test_either_may_come_first(pair):
    one, other = pair
    for function in FUNCTIONS:
        found, swapped = function(one, other), function(other, one)
        assert found == swapped or found == pytest.approx(swapped)


@given(pairs())
def test_tickets_are_taken_for_their_masks(pair):
    one, other = pair
    for function in FUNCTIONS:
        expected = function(one, other)
        assert function(Ticket(one, {}), Ticket(other, {})) == expected
        assert function(Ticket(one, {}), other) == expected


@given(pairs())
def test_both_lie_between_intersection_and_union(pair):
    for masks in pair:
        assert intersection(*pair).issubset(masks)
        assert masks.issubset(union(*pair))


@given(pairs())
def test_a_ticket_overlaps_with_itself_in_all(pair):
    masks = pair[0]
    assert overlap(masks, masks) == dict.fromkeys(masks, 1.0)
    assert union(masks, masks) == intersection(masks, masks) == masks


def test_masks_that_keep_nothing_are_equal():
    empty, full = Masks({"k": [False, False]}), Masks({"k": [True, True]})
    assert overlap(empty, empty) == expected_overlap(empty, empty) == {"k": 1.0}
    assert overlap(empty, full) == expected_overlap(empty, full) == {"k": 0.0}


# By chance.


def masks_of(kept, size):
    return Masks({"k": np.arange(size) < kept})


def naive_expected(kept, other, size):
    """The oracle: all pairs of sets."""
    sets = [set(s) for s in itertools.combinations(range(size), kept)]
    second = set(range(other))
    ious = [len(s & second) / len(s | second) if s | second else 1.0 for s in sets]
    return sum(ious) / len(ious)


@pytest.mark.parametrize("size", range(8))
def test_what_is_expected_is_the_mean_of_all_pairs(size):
    for kept, other in itertools.product(range(size + 1), repeat=2):
        found = expected_overlap(masks_of(kept, size), masks_of(other, size))["k"]
        assert found == pytest.approx(naive_expected(kept, other, size), rel=1e-12)


@given(pairs())
def test_what_is_expected_is_a_fraction(pair):
    assert all(0 <= value <= 1 + 1e-12 for value in expected_overlap(*pair).values())


def test_what_is_expected_is_what_random_masks_have():
    draw = np.random.default_rng(0)
    one, other = (np.arange(2000) < kept for kept in (600, 300))
    found = [
        overlap(Masks({"k": draw.permutation(one)}), Masks({"k": other}))["k"]
        for _ in range(200)
    ]
    expected = expected_overlap(Masks({"k": one}), Masks({"k": other}))["k"]
    assert expected == pytest.approx(np.mean(found), abs=4 * np.std(found) / 200**0.5)


@pytest.mark.parametrize("density", [1.0, 0.5, 0.036, 1e-4])
def test_large_layers_neither_overflow_nor_lose_precision(density):
    size = 2_000_000
    masks = masks_of(round(density * size), size)
    expected = density / (2 - density)  # the limit of many weights
    found = expected_overlap(masks, masks)["k"]
    assert found == pytest.approx(expected, rel=1e-2)


# Tickets of different models.


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    "other, named",
    [
        ({"a": (4,)}, "only the first has 'b'"),
        ({"a": (4,), "b": (2, 3), "c": (1,)}, "only the second has 'c'"),
        ({"a": (4,), "b": (3, 2)}, r"'b' has shape \(2, 3\) in.*\(3, 2\) in"),
        ({"c": (4,)}, "first has 'a'; .*first has 'b'; .*second has 'c'"),
    ],
    ids=["missing", "extra", "shape", "all"],
)
def test_tickets_of_different_models_are_an_error_that_names_what_differs(
    function, other, named
):
    one = Masks.full({"a": (4,), "b": (2, 3)})
    with pytest.raises(TicketError, match=f"same model.*{named}"):
        function(one, Ticket(Masks.full(other), {}))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_no_ticket_is_refused_in_words(function):
    with pytest.raises(
        TypeError, match=r"Only tickets and masks can be compared\. Received: NoneType"
    ):
        function(Masks({"k": [True]}), None)
