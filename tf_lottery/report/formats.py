"""How the numbers of a report are written.

A difference of fractions is told in points, hundredths, as the verdict tells it.
"""

import math

from tf_lottery.verdict.difference import STEP, Difference
from tf_lottery.verdict.spread import Spread


def score(value: float) -> str:
    """A score, or a loss."""
    return f"{value:.4f}"


def step(value: float) -> str:
    """A step, or a mean of steps."""
    return f"{value:,.0f}"


def density(value: float) -> str:
    """The fraction of the weights that are kept."""
    return f"{value:.1%}"


def extremes(spread: Spread, of: str) -> str:
    """From the least to the most; nothing of one value."""
    if len(spread) < 2 or math.isnan(spread.mean):
        return ""
    write = step if of == STEP else score
    return f"{write(spread.low)} to {write(spread.high)}"


def gain(difference: Difference) -> tuple[str, str]:
    """By how much the ticket is better, and the interval of that, if there is one.

    An interval without width, of equal gains, says nothing of chance and is none.
    """
    ends = difference.gain.interval or (0.0, 0.0)
    between = " to ".join(_signed(difference, each) for each in ends)
    return _signed(difference, difference.gain.mean), between * (ends[0] < ends[1])


def gain_unit(difference: Difference) -> str:
    """What a gain is counted in."""
    return " points" if difference.is_in_points else ""


def _signed(difference: Difference, value: float) -> str:
    if math.isnan(value):
        return "nan"
    if difference.is_in_points:
        return f"{100 * value:+.2f}"
    if difference.metric == STEP:
        return f"{value:+,.0f}"
    return f"{value:+.3g}"
