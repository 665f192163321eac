"""How fast one network is compared with another: interleaved runs, median ratios."""

import os
import timeit
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tf_lottery.core.machine import processor

_CHUNK = 0.002  # seconds that one measurement lasts at least
_WIDE = 0.1  # between the deciles of ratios, of the dense file's time


def time_pairs(
    run: Callable[[], Any], reference: Callable[[], Any], runs: int
) -> dict[str, float]:
    """The times of `runs` pairs of calls, as `Card.latency` has them, except "on".

    Both functions are called in turns, in random order: whatever else the machine does
    slows both down alike. Python's garbage collector is off meanwhile.
    """
    functions = (run, reference)
    calls = [_calls(function) for function in functions]
    order = np.random.default_rng(0)
    seconds = np.empty((runs, 2))
    for row in seconds:
        for which in order.permutation(2):
            row[which] = timeit.timeit(functions[which], number=calls[which])
    seconds /= calls
    mine, dense = np.median(seconds, axis=0) * 1e6
    low, middle, high = np.quantile(seconds[:, 0] / seconds[:, 1], [0.1, 0.5, 0.9])
    return {
        "microseconds": float(mine),
        "dense_microseconds": float(dense),
        "ratio": float(middle),
        "ratio_low": float(low),
        "ratio_high": float(high),
    }


def is_noisy(timed: Mapping[str, Any]) -> bool:
    """Whether times are too noisy to tell which file is faster.

    They are if some pairs say that this file is faster and others that it is slower,
    and they differ widely: the 10th percentile of the ratios is below 1, the 90th
    percentile is above 1, and these two are more than 0.1 apart.

    Example:
        >>> is_noisy({"ratio_low": 0.90, "ratio_high": 1.06})
        True
        >>> is_noisy({"ratio_low": 0.97, "ratio_high": 1.02})
        False
    """
    low, high = timed["ratio_low"], timed["ratio_high"]
    return bool(low < 1 < high and high - low > _WIDE)


def cpu() -> str:
    """What the processor calls itself, and how many cores there are."""
    return f"{processor()}, {os.cpu_count()} cores"


def _calls(function: Callable[[], Any]) -> int:
    """How many calls take long enough to be measured."""
    function()  # warms up
    calls = 1
    while timeit.timeit(function, number=calls) < _CHUNK:
        calls *= 2
    return calls
