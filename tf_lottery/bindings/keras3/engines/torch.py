"""PyTorch: one step after another, each as Keras takes it."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

from tf_lottery.bindings.keras3._imports import keras
from tf_lottery.bindings.keras3.engines.base import Checked, EngineBase, numbers
from tf_lottery.bindings.parts import Logs


class Engine(EngineBase):
    """Takes steps by the function that Keras makes, compiled or not."""

    def __init__(
        self, model: Any, group: int, given: int, checked: Checked = nullcontext
    ) -> None:
        super().__init__(model, group, given, checked)
        model.make_train_function(force=True)
        model.make_test_function(force=True)

    def train(self, batches: Iterator[Any], size: int) -> Logs:
        self.model.train()
        for _ in range(size):
            batch = [_tensors(next(batches))]
            with self._first():
                logs = self.model.train_function(batch)
            self.steps += 1
        return numbers(logs)

    def _tested(self, data: Any, size: int, callbacks: Any) -> tuple[Any, int]:
        logs, number = {}, 0
        self.model.eval()
        try:
            for number, batch in enumerate(data, 1):
                if callbacks:
                    callbacks.on_test_batch_begin(number - 1)
                logs = self.model.test_function([_tensors(batch)])
                if callbacks:
                    callbacks.on_test_batch_end(number - 1, logs)
        finally:
            self.model.train()
        return logs, number


def _tensors(batch: Any) -> Any:
    return keras.tree.map_structure(keras.ops.convert_to_tensor, batch)
