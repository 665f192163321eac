"""One value a replicate: their mean, extremes and interval.

The paper's error bars are minimum and maximum. They widen with the number of
replicates and say little of the mean; what is claimed rests on the interval.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Spread:
    """Values of one figure, one a replicate.

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
        return float(np.clip(mean, self.low, self.high))  # of equal values: that value

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% t interval of the mean; None of one value.

        It has no width where all values are equal: these say nothing of chance.
        """
        return self.interval_at(CONFIDENCE)

    def interval_at(self, confidence: float) -> tuple[float, float] | None:
        """The t interval of the mean at another confidence, for several at once."""
        if len(self) < 2 or not np.isfinite(self.values).all():
            return None
        if self.low == self.high:
            return self.low, self.high
        from scipy.special import stdtrit

        quantile = float(stdtrit(len(self) - 1, (1 + confidence) / 2))
        half = quantile * float(np.std(self.values, ddof=1)) / math.sqrt(len(self))
        return self.mean - half, self.mean + half

    def record(self) -> dict[str, Any]:
        """All of it, as plain values."""
        return {
            "values": list(self.values),
            "mean": self.mean,
            "low": self.low,
            "high": self.high,
            "interval": list(self.interval) if self.interval else None,
        }
