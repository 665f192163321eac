"""Whether a `tf.data.Dataset` gives the same batches in each training."""

from collections.abc import Iterator
from typing import Any

from tf_lottery.bindings.tf_shared._imports import tf


def is_repeatable(dataset: Any, is_made_again: bool) -> bool:
    """Whether each training gets the same batches, in each process."""
    unseeded = any(map(_is_unseeded, parts(dataset)))
    return not unseeded and (is_made_again or is_constant(dataset))


def is_constant(dataset: Any) -> bool:
    """Whether a dataset has the same order each time that it is read."""
    return not any(_seeds(part) and _reshuffles(part) for part in parts(dataset))


def shuffles(dataset: Any) -> bool:
    """Whether the order of a dataset changes each time that it is read."""
    return any(map(_seeds, parts(dataset)))


def leaves_no_trace(dataset: Any) -> bool:
    """Whether a batch of a dataset can be read without any effect on later batches."""
    return not shuffles(dataset) and not any(map(_has_state, parts(dataset)))


def parts(dataset: Any) -> Iterator[Any]:
    """The dataset and those it is made of."""
    yield dataset
    for source in dataset._inputs():
        yield from parts(source)


def _seeds(dataset: Any) -> list[int]:
    """The seeds of a shuffle; empty for other datasets."""
    seeds = [getattr(dataset, name, None) for name in ("_seed", "_seed2")]
    return [int(seed) for seed in seeds if seed is not None]


def _reshuffles(dataset: Any) -> bool:
    """Whether a part of a dataset that draws continues at its next iterator."""
    again = getattr(dataset, "_reshuffle_each_iteration", True)
    return again is None or bool(again)


def _is_unseeded(dataset: Any) -> bool:
    unordered = getattr(dataset, "_deterministic", None) == "false"
    if unordered or dataset.options().deterministic is False:
        return True
    if any(map(_draws, _operations(dataset))):
        return True
    return bool(_seeds(dataset)) and not any(_seeds(dataset))


def _has_state(dataset: Any) -> bool:
    """Whether it keeps what was read, or runs code with a state, such as Python's."""
    kind = type(dataset).__name__
    if any(word in kind for word in ("Cache", "Snapshot", "Random", "Service")):
        return True
    return any(operation.op_def.is_stateful for operation in _operations(dataset))


def _operations(dataset: Any) -> list[Any]:
    """Those of the function that a part of a dataset maps."""
    function = getattr(getattr(dataset, "_map_func", None), "function", None)
    return function.graph.get_operations() if function is not None else []


def _draws(operation: Any) -> bool:
    """Whether an operation of a dataset's function draws without a seed."""
    if operation.type.startswith("Shuffle"):
        given = [part for part in operation.inputs if part.name.startswith("seed")]
        return bool(given) and all(tf.get_static_value(part) == 0 for part in given)
    seeds = {"seed", "seed2"}
    names = {attribute.name for attribute in operation.op_def.attr}
    return seeds <= names and not any(operation.get_attr(name) for name in seeds)
