"""What must hold of the specs of batches, and what specs are called in messages."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from tf_lottery.bindings.tf_keras._imports import tf


def check_batch(spec: Any, name: str) -> None:
    """Raises unless a batch is x, `(x, y)` or `(x, y, sample_weight)`."""
    if isinstance(spec, tuple) and len(spec) > 3:
        raise ValueError(
            f"`{name}` must yield tuples (x, y) or (x, y, sample_weight). "
            f"Received: elements {shapes(spec)}."
        )


def check_can_be_shared(model: Any, spec: Any, name: str) -> None:
    """Raises if ragged or sparse rows would have to be shared among replicas."""
    several = model.distribute_strategy.num_replicas_in_sync > 1
    parts = tf.nest.flatten(spec)
    if several and not all(isinstance(part, tf.TensorSpec) for part in parts):
        raise ValueError(
            f"`{name}` must be dense to be shared among replicas. Received: ragged or "
            "sparse rows. Train on one device, or pass a tf.data.Dataset of batches."
        )


def check_names(
    part: Any, names: Iterable[str], what: str, of: str, needed: bool = False
) -> None:
    """Raises if a dict has keys that mean nothing, or lacks what is needed."""
    if not isinstance(part, Mapping):
        return
    names = list(names)
    missing = [name for name in names if name not in part]
    unknown = [key for key in part if key not in names]
    if not (missing if needed else unknown):
        return
    close = [
        f"{key!r} for {match[0]!r}"
        for key in unknown
        if (match := difflib.get_close_matches(str(key), missing or names, 1))
    ]
    raise ValueError(
        f"{what} must be named like the model's {of}: {', '.join(map(repr, names))}. "
        f"Received: {', '.join(map(repr, part))}."
        + (f" Did you write {', '.join(close)}?" if close else " Rename them.")
    )


def shapes(spec: Any) -> Any:
    """The shapes of a spec, to be shown."""
    return tf.nest.map_structure(lambda t: t and in_words(t.shape), spec)


def in_words(shape: Any) -> str:
    """A shape, to be shown."""
    return str(tuple(shape)) if shape.rank is not None else "(?)"
