"""PyTorch: one step after another, each as Keras takes it."""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import torch

from tf_lottery.bindings.keras3._imports import backend, keras
from tf_lottery.bindings.keras3.engines.base import Checked, EngineBase, numbers
from tf_lottery.bindings.keras3.engines.rows import ROOM, RowsOnDevice
from tf_lottery.bindings.parts import Logs


class Engine(EngineBase):
    """Takes steps by the function that Keras makes, compiled or not."""

    def __init__(
        self,
        model: Any,
        group: int,
        given: int,
        checked: Checked = contextlib.nullcontext,
    ) -> None:
        super().__init__(model, group, given, checked)
        self._rows = RowsOnDevice(_put, _room)
        model.make_train_function(force=True)
        model.make_test_function(force=True)

    def train(self, batches: Iterator[Any], size: int) -> Logs:
        self.model.train()
        tensors = self._tensors(batches)
        for _ in range(size):
            batch = [next(tensors)]
            with self._first():
                logs = self.model.train_function(batch)
            self.steps += 1
        return numbers(logs)

    def _tested(self, data: Any, size: int, callbacks: Any) -> tuple[Any, int]:
        logs, number = {}, 0
        self.model.eval()
        try:
            for number, batch in enumerate(self._tensors(iter(data)), 1):
                if callbacks:
                    callbacks.on_test_batch_begin(number - 1)
                logs = self.model.test_function([batch])
                if callbacks:
                    callbacks.on_test_batch_end(number - 1, logs)
        finally:
            self.model.train()
        return self.model._get_metrics_result_or_logs(logs), number

    def _tensors(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Batches on the device: of rows that lie there already, if they fit."""
        rows = self._rows.of(batches)
        if rows is None:
            return map(_put, batches)
        return _taken(rows, batches)


def _put(arrays: Any) -> Any:
    return keras.tree.map_structure(keras.ops.convert_to_tensor, arrays)


def _taken(rows: Any, batches: Any) -> Iterator[Any]:
    """The batches, of rows on the device."""
    with contextlib.suppress(StopIteration):
        while True:
            (positions,) = batches.positions(1)
            at = keras.ops.convert_to_tensor(positions, "int64")
            select = functools.partial(torch.index_select, dim=0, index=at)
            yield keras.tree.map_structure(select, rows)


def _room() -> int:
    """How many bytes of rows the device can keep."""
    if backend.platform() != "gpu":
        return ROOM
    free, _ = torch.cuda.mem_get_info()
    return int(free) // 2
