"""How fast one network is compared with another: interleaved runs, median ratios."""

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tf_lottery.core.machine import processor

_CHUNK = 0.002  # seconds that one measurement lasts at least


def time_pairs(
    run: Callable[[], Any], reference: Callable[[], Any], runs: int
) -> dict[str, float]:
    """The time of `run`, and its ratio to that of `reference`.

    Both are called in turns, in random order: whatever else the machine does slows both
    down alike.

    Args:
        run, reference: The functions to time.
        runs: The number of pairs of measurements.

    Returns:
        "microseconds" and "dense_microseconds" (medians of one call), "ratio"
        (median of the pairs), and "ratio_low", "ratio_high": its 10th and 90th
        percentile.
    """
    functions = (run, reference)
    calls = [_calls(function) for function in functions]
    order = np.random.default_rng(0)
    seconds = np.empty((runs, 2))
    for row in seconds:
        for which in order.permutation(2):
            row[which] = _seconds(functions[which], calls[which])
    ratios = seconds[:, 0] / seconds[:, 1]
    return {
        "microseconds": float(np.median(seconds[:, 0]) * 1e6),
        "dense_microseconds": float(np.median(seconds[:, 1]) * 1e6),
        "ratio": float(np.median(ratios)),
        "ratio_low": float(np.quantile(ratios, 0.1)),
        "ratio_high": float(np.quantile(ratios, 0.9)),
    }


def cpu() -> str:
    """What the processor calls itself, and how many cores there are."""
    return f"{processor()}, {os.cpu_count()} cores"


def _calls(function: Callable[[], Any]) -> int:
    """How many calls take long enough to be measured."""
    function()  # warms up
    calls = 1
    while _seconds(function, calls) * calls < _CHUNK:
        calls *= 2
    return calls


def _seconds(function: Callable[[], Any], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls
