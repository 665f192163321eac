"""What backends do in the memory of the host whose variables change in place."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Replicas = Callable[[Any], list[Any]]


def held(replicas: Replicas, value: Any) -> Any:
    """What can be restored later; `replicas` gives a copy of each replica."""
    return replicas(value)[0]


def snapshot(replicas: Replicas, values: Sequence[Any]) -> list[Any]:
    """Copies of values."""
    return [held(replicas, value) for value in values]


def faults(
    replicas: Replicas, weights: Any, masks: Any, decided: Any
) -> tuple[list[bool], list[bool]]:
    """Which masks differ, and which weights are not zero where they are pruned."""
    pairs = zip(masks, decided, strict=True)
    changed = [any((m != mask).any() for m in replicas(value)) for value, mask in pairs]
    pairs = zip(weights, decided, strict=True)
    leaking = [any(w[~mask].any() for w in replicas(value)) for value, mask in pairs]
    return changed, leaking


def all_replicas(replicas: Replicas, values: Sequence[Any]) -> list[list[Any]]:
    """Copies of what each replica holds of each value."""
    return list(map(replicas, values))


def assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    """Assigns arrays to variables."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(np.asarray(value))


def restore(variable: Any, value: Any) -> None:
    """Gives a variable a value that it had."""
    variable.assign(value)


def constant(array: Any) -> Any:
    """An array as it is compared."""
    return np.asarray(array)
