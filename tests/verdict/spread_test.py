"""Means, extremes and intervals over replicates."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_lottery.verdict.spread import Spread

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8).map(tuple)


@given(VALUES)
def test_the_mean_lies_between_the_extremes_and_in_the_interval(values):
    spread = Spread(values)
    assert spread.low <= spread.mean <= spread.high
    if len(values) > 1:
        low, high = spread.interval
        assert low <= spread.mean <= high


@given(st.floats(-1e6, 1e6), st.integers(2, 9))
def test_the_interval_of_equal_values_is_their_value(value, count):
    spread = Spread((value,) * count)
    assert spread.mean == value
    assert spread.interval == (value, value)


def test_the_interval_is_that_of_student():
    # Student's table: 2.776 for 4 degrees of freedom, 12.706 for one.
    values = (1.0, 2.0, 3.0, 4.0, 5.0)
    half = 2.776 * math.sqrt(2.5) / math.sqrt(5)
    assert Spread(values).interval == pytest.approx((3 - half, 3 + half), abs=1e-3)
    assert Spread((0.0, 2.0)).interval == pytest.approx((1 - 12.706, 1 + 12.706), 1e-4)


def test_the_interval_of_five_replicates_covers_the_mean_in_95_of_100_cases():
    draws = np.random.default_rng(0).normal(0.3, 2.0, size=(4000, 5))
    intervals = (Spread(tuple(map(float, five))).interval for five in draws)
    covered = np.mean([low <= 0.3 <= high for low, high in intervals])
    assert covered == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("values", [(0.5,), (0.5, math.nan), (0.5, math.inf)])
def test_one_value_and_no_number_have_no_interval(values):
    assert Spread(values).interval is None


def test_a_record_has_every_number():
    assert Spread((0.5, 0.5)).record() == {
        "values": [0.5, 0.5],
        "mean": 0.5,
        "low": 0.5,
        "high": 0.5,
        "interval": [0.5, 0.5],
    }
    assert Spread((0.5,)).record()["interval"] is None
