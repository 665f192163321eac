"""How numbers are written, in the sentences, the tables and the figures alike.

A difference of fractions is written in points, which are hundredths.
"""

import math
from collections.abc import Iterable

import numpy as np

from tf_lottery.verdict.difference import STEP, Difference
from tf_lottery.verdict.spread import Spread

_NOISE = 1e-9  # below what float32 can tell of a score: a mean of equal values


def score(value: float) -> str:
    """A score, or a loss."""
    return f"{value:.4f}"


def step(value: float) -> str:
    """A step; a mean of steps has one decimal where it is not a whole number."""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def density(value: float) -> str:
    """The fraction of the weights that are kept."""
    return f"{value:.1%}"


def short(value: float) -> str:
    """Three digits of any number, for figures."""
    return f"{value:.3g}"


def figure(value: float, metric: str) -> str:
    """A step, or a score."""
    return step(value) if metric == STEP else score(value)


def extremes(spread: Spread, metric: str) -> str:
    """From the least to the most; empty for one value."""
    if len(spread) < 2 or math.isnan(spread.mean):
        return ""
    return f"{figure(spread.low, metric)} to {figure(spread.high, metric)}"


def amount(difference: Difference, value: float) -> str:
    """A value of a difference, without sign and unit."""
    value = 0.0 if abs(value) < _NOISE else value
    if difference.metric == STEP:
        return f"{value:,.0f}"
    if not difference.is_in_points:
        return short(value)
    text = f"{100 * value:.2f}"
    if float(text) or not value:
        return text
    # What is not zero is not shown as zero.
    return np.format_float_positional(100 * value, 1, fractional=False, trim="-")


def signed(difference: Difference, value: float) -> str:
    """A value of a difference with its sign, without its unit."""
    if math.isnan(value):
        return "nan"
    return f"{'-' if value <= -_NOISE else '+'}{amount(difference, abs(value))}"


def change(difference: Difference) -> str:
    """The mean of a difference, with its sign and unit."""
    return f"{signed(difference, difference.spread.mean)}{points(difference)}"


def points(difference: Difference) -> str:
    """The unit of an amount, after a space."""
    return " points" if difference.is_in_points else ""


def interval(difference: Difference) -> str:
    """The interval of a gain; empty if there is none, or if it has no width.

    An interval without width, of equal gains, says nothing about chance.
    """
    low, high = difference.gain.interval or (0.0, 0.0)
    if low == high:
        return ""
    return f"{signed(difference, low)} to {signed(difference, high)}"


def unit(differences: Iterable[Difference]) -> str:
    """The unit of a column of differences, as the end of its heading."""
    return ", points" if any(each.is_in_points for each in differences) else ""
