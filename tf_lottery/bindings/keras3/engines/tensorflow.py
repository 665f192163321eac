"""TensorFlow: a group of steps is a loop in a graph.

Keras 3 writes `steps_per_execution` into its graph as a number, and cannot take groups
on replicas. In the loop here the size of a group is a tensor: nothing is traced again.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import tensorflow as tf

from tf_lottery.bindings.keras3.engines.base import Checked, EngineBase, numbers
from tf_lottery.bindings.parts import Logs


class Engine(EngineBase):
    """Takes groups of steps from an iterator of `tf.data`."""

    def __init__(
        self, model: Any, group: int, given: int, checked: Checked = nullcontext
    ) -> None:
        super().__init__(model, group, given, checked)
        several = model.distribute_strategy.extended._in_multi_worker_mode()
        # Workers must agree on the size of a group, and measure different times.
        self.least = group if several else given
        self._train = self._looped(self._counted(model.train_step))
        self._test = self._looped(model.test_step)

    def train(self, batches: Iterator[Any], size: int) -> Logs:
        logs = self._train(batches, size)
        self.steps += size
        return numbers(logs)

    def _tested(self, data: Any, size: int, callbacks: Any) -> tuple[Any, int]:
        length = int(data.cardinality())
        batches = iter(self._strategy.experimental_distribute_dataset(data))
        logs, number = {}, 0
        while number != length:
            # Only in single steps is it seen where batches of unknown number end.
            due = 1 if callbacks or length < 0 else min(size, length - number)
            if callbacks:
                callbacks.on_test_batch_begin(number)
            try:
                logs = self._test(batches, due)
            except (tf.errors.OutOfRangeError, StopIteration):
                break
            number += due
            if callbacks:
                callbacks.on_test_batch_end(number - 1, logs)
        return self.model._get_metrics_result_or_logs(logs), number

    @property
    def _strategy(self) -> Any:
        return self.model.distribute_strategy

    def _looped(self, step: Callable[[Any], Any]) -> Callable[[Any, int], Any]:
        """A function that takes a number of steps, on batches of an iterator."""
        model, strategy = self.model, self._strategy

        def on_replicas(batch: Any) -> Any:
            outputs = strategy.run(step, args=(batch,))
            # Metrics are whole on each replica.
            return tf.nest.map_structure(
                lambda each: strategy.experimental_local_results(each)[0], outputs
            )

        if model.run_eagerly:

            def eagerly(batches: Any, size: int) -> Any:
                for _ in range(size):
                    outputs = on_replicas(next(batches))
                return outputs

            return eagerly

        on_replicas = tf.function(
            on_replicas,
            reduce_retracing=True,
            jit_compile=model.jit_compile,
            autograph=False,
        )

        @tf.function(reduce_retracing=True, autograph=False)  # type: ignore[untyped-decorator]
        def in_graph(batches: Any, size: Any) -> Any:
            first = on_replicas(next(batches))

            def body(number: Any, _: Any) -> Any:
                return number + 1, on_replicas(next(batches))

            due = lambda number, _: number < size  # noqa: E731
            return tf.while_loop(due, body, (tf.constant(1), first))[1]

        return lambda batches, size: in_graph(batches, tf.constant(size))
