"""Whether a `tf.data.Dataset` gives the same batches in each training."""

from collections.abc import Iterator
from typing import Any

from tf_lottery.bindings.parts import Feed
from tf_lottery.bindings.tf_keras._imports import tf


def is_repeatable(dataset: Any, is_made_again: bool) -> bool:
    """Whether each training gets the same batches, in each process.

    Args:
        dataset: A `tf.data.Dataset`.
        is_made_again: Whether a function of the seed makes it for each training.
    """
    unseeded = any(map(_is_unseeded, parts(dataset)))
    return not unseeded and (is_made_again or is_constant(dataset))


def is_constant(dataset: Any) -> bool:
    """Whether a dataset has the same order each time that it is read."""
    return not any(_seeds(part) and _reshuffles(part) for part in parts(dataset))


def note(feed: Feed, dataset: Any) -> str:
    """What the form of training data means for repeating and resuming a search."""
    if not isinstance(dataset, tf.data.Dataset):
        return getattr(dataset, "note", "")
    notes = []
    if feed.counted is not None:
        notes.append(
            f"`dataset` has {feed.counted:,} batches, counted in a first pass."
        )
    if not feed.repeatable:
        notes.append(
            "`dataset` shuffles or draws, and continues from training to training: "
            "this search can be resumed but not repeated. To repeat it, pass a function"
            " of the seed, `def dataset(seed):`, that makes it with that seed."
        )
    return " ".join(notes)


def shuffles(dataset: Any) -> bool:
    """Whether the order of a dataset changes each time that it is read."""
    return any(map(_seeds, parts(dataset)))


def leaves_no_trace(dataset: Any) -> bool:
    """Whether a batch of a dataset can be read without any effect on later batches.

    Not if it shuffles, keeps what was read, or runs code that may have a state, such as
    Python code.
    """
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
    function = getattr(getattr(dataset, "_map_func", None), "function", None)
    if function is not None and any(map(_draws, function.graph.get_operations())):
        return True
    return bool(_seeds(dataset)) and not any(_seeds(dataset))


def _has_state(dataset: Any) -> bool:
    kind = type(dataset).__name__
    if any(word in kind for word in ("Cache", "Snapshot", "Random", "Service")):
        return True
    function = getattr(getattr(dataset, "_map_func", None), "function", None)
    operations = function.graph.get_operations() if function is not None else ()
    return any(operation.op_def.is_stateful for operation in operations)


def _draws(operation: Any) -> bool:
    """Whether an operation of a dataset's function draws without a seed."""
    if operation.type.startswith("Shuffle"):
        given = [part for part in operation.inputs if part.name.startswith("seed")]
        return bool(given) and all(tf.get_static_value(part) == 0 for part in given)
    seeds = {"seed", "seed2"}
    names = {attribute.name for attribute in operation.op_def.attr}
    return seeds <= names and not any(operation.get_attr(name) for name in seeds)
