"""The monitored score: whether higher is better, and the name of its test figure."""

import re

from tf_lottery.core.plan import Plan

_KNOWN = re.compile(
    r"(?:^|_)(?:(?P<higher>acc|accuracy|auc|precision|recall|f1|f1_score)"
    r"|loss|error|mse|mae|mape|msle)(?:_\d+)?$"
)


def maximizes(monitor: str, plan: Plan) -> bool:
    """Whether a higher monitored score is better; mode "auto" needs a known score."""
    if plan.mode != "auto":
        return plan.mode == "max"
    # Only the end is compared: the name of an output may precede it.
    if known := _KNOWN.search(monitor):
        return known["higher"] is not None
    raise ValueError(
        f"It is not known whether a higher {monitor!r} is better. "
        'Pass `mode="max"` or `mode="min"`, or another `monitor`.'
    )


def gives_fractions(metric: str) -> bool:
    """Whether the values of a metric are fractions, as those of accuracy are."""
    return bool((known := _KNOWN.search(metric)) and known["higher"])


def test_name(monitor: str) -> str:
    """The test figure of a monitored score."""
    return f"test_{monitor.removeprefix('val_')}"
