"""The monitored score: which way is better, and what its test figure is called."""

import re

from tf_lottery.core.plan import Plan

_KNOWN = re.compile(
    r"(?:^|_)(?:(?P<higher>acc|accuracy|auc|precision|recall|f1|f1_score)"
    r"|loss|error|mse|mae|mape|msle)(?:_\d+)?$"
)


def maximizes(monitor: str, plan: Plan) -> bool:
    """Whether a higher monitored score is better.

    Raises:
        ValueError: mode="auto" does not know the score.
    """
    if plan.mode != "auto":
        return plan.mode == "max"
    # At the end: what stands before is the name of an output.
    if known := _KNOWN.search(monitor):
        return known["higher"] is not None
    raise ValueError(
        f"Whether a higher {monitor!r} is better is not known. "
        'Pass `mode="max"` or `mode="min"`, or another `monitor`.'
    )


def is_fraction(metric: str) -> bool:
    """Whether a metric is a fraction, as accuracies are: it is told in points."""
    known = _KNOWN.search(metric)
    return known is not None and known["higher"] is not None


def test_name(monitor: str) -> str:
    """The test figure of a monitored score."""
    return f"test_{monitor.removeprefix('val_')}"
