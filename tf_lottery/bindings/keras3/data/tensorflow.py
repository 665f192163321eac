"""Batches of a `tf.data.Dataset` for another backend, where TensorFlow is installed."""

import importlib
import sys
from collections.abc import Iterator
from typing import Any

from tf_lottery.bindings.shared.rows import leaves
from tf_lottery.bindings.shared.source import (
    NOT_REPEATED,
    Again,
    Facts,
    Reading,
    Source,
    Standard,
    check_ends,
    check_has_end,
    count,
)
from tf_lottery.core.plan import Plan


def is_dataset(value: Any) -> bool:
    """Whether it is a `tf.data.Dataset`; TensorFlow is not imported for it."""
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and isinstance(value, tensorflow.data.Dataset)


class TensorFlowBatches(Source):
    """The batches of a dataset as NumPy arrays."""

    def __init__(self, dataset: Any, standard: Standard) -> None:
        if any(spec.shape.rank == 0 for spec in leaves(dataset.element_spec)):
            raise ValueError(
                "A dataset must give batches, with one row for each example. Received: "
                f"elements {dataset.element_spec}. Is the dataset batched?"
            )
        self._dataset = dataset
        self._standard = standard
        self._seen = importlib.import_module(
            "tf_lottery.bindings.tf_shared.data.repeatable"
        )
        length = int(dataset.cardinality())
        self.is_endless = length == -1
        self.has_read_first = self._seen.leaves_no_trace(dataset)
        self.length = length if length >= 0 else None

    @property
    def first(self) -> Any:
        """A batch of zeros if reading one would change later batches."""
        if self.has_read_first:
            return next(self.in_order())
        return self._standard(_zeros(self._dataset.element_spec))

    def in_order(self) -> Iterator[Any]:
        return map(self._standard, self._dataset.as_numpy_iterator())

    def check_evaluated(self, name: str) -> None:
        check_has_end(name, self.length == 0, self.is_endless)

    def facts(self, plan: Plan, again: Again) -> Facts:
        repeats = self._seen.is_repeatable(self._dataset, again is not None)
        if self.length is None and not self.is_endless and plan.steps_per_epoch is None:
            self.length = count(self.in_order())
        if self.length == 0:
            raise ValueError("`dataset` must have at least one batch. Received: none.")
        check_ends(self.length, plan)
        return Facts(
            plan.steps_per_epoch or self.length or 0,
            self.length,
            repeatable=repeats,
            note="" if repeats else NOT_REPEATED,
            is_promised=self.length is not None,
            advice="If you promised them by `assert_cardinality`, correct the number.",
        )

    def reading(self, plan: Plan, again: Again) -> Reading:
        made = again is not None and not self._seen.is_constant(self._dataset)
        dataset = again() if made and again is not None else self._dataset

        def from_step(step: int) -> Iterator[Any]:
            offset = step % self.length if self.length else step
            source = dataset.skip(offset) if offset else dataset
            if self.length is None and not self.is_endless:
                source = dataset.repeat().skip(offset)
            return map(self._standard, source.as_numpy_iterator())

        return Reading(from_step, replayed=self.length if made else None)


def _zeros(spec: Any) -> Any:
    """A batch of one row that fits a spec."""
    import numpy as np

    if isinstance(spec, dict):
        return {name: _zeros(part) for name, part in spec.items()}
    if isinstance(spec, list | tuple):
        return tuple(map(_zeros, spec))
    shape = [1 if size is None else size for size in spec.shape]
    return np.zeros(shape, spec.dtype.as_numpy_dtype)
