"""Pruning rates: one for all layers, and other rates by the names of layers."""

import fnmatch
from collections.abc import Mapping

from tf_lottery.core.checks import check_fraction, is_rate


def check_rates(rate: float, layer_rates: Mapping[str, float], scope: str) -> None:
    """Raises unless all rates are fractions, and rates of layers fit the scope.

    Raises:
        ValueError: A rate that cannot work, with what to write instead.
    """
    check_fraction("pruning_rate", rate)
    for key, value in layer_rates.items():
        if not isinstance(key, str) or not is_rate(value):
            raise ValueError(
                "`layer_rates` must map names of layers to fractions in [0, 1); 0 "
                "leaves a layer alone. "
                f"Received: {value!r} for {key!r}."
            )
        if scope == "global" and value != 0:
            raise ValueError(
                'With scope="global" all layers share `pruning_rate`, and '
                "`layer_rates` may only be 0, to leave a layer alone. "
                f"Received: {value!r} for {key!r}."
            )


def matches(key: str, path: str) -> bool:
    """Whether a key is the path of a weight, a path above it, or a pattern of one."""
    parts = path.split("/")
    above = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
    # The name itself first: a layer may be called `a[0]`, which is also a pattern.
    return key in above or any(fnmatch.fnmatchcase(name, key) for name in above)
