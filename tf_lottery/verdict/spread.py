"""One value per replicate: the mean, the extremes and the interval of the mean.

The paper's error bars are minimum and maximum. They widen with the number of
replicates and say little about the mean; claims rest on the interval.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Spread:
    """The values of one figure, one per replicate.

    Example:
        >>> Spread((0.5, 0.75, 1.0)).mean
        0.75
    """

    values: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def low(self) -> float:
        return float(np.min(self.values))

    @property
    def high(self) -> float:
        return float(np.max(self.values))

    @property
    def mean(self) -> float:
        mean = math.fsum(self.values) / len(self.values)
        return float(np.clip(mean, self.low, self.high))  # exact for equal values

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% t interval of the mean; None for a single value.

        It has zero width where all values are equal: they say nothing about chance.
        """
        return self.interval_at(CONFIDENCE)

    def interval_at(self, confidence: float) -> tuple[float, float] | None:
        """The t interval of the mean at another confidence, 0 to 1."""
        if len(self) < 2 or not np.isfinite(self.values).all():
            return None
        if self.low == self.high:
            return self.low, self.high
        from scipy.special import stdtrit

        quantile = float(stdtrit(len(self) - 1, (1 + confidence) / 2))
        half = quantile * float(np.std(self.values, ddof=1)) / math.sqrt(len(self))
        return self.mean - half, self.mean + half

    def record(self) -> dict[str, Any]:
        """All values, as plain Python values."""
        return {
            "values": list(self.values),
            "mean": self.mean,
            "low": self.low,
            "high": self.high,
            "interval": list(self.interval) if self.interval else None,
        }
