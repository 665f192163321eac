"""The processes of a `tf.distribute` strategy, and what they tell each other."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery.bindings.tf_keras._imports import tf


class Processes:
    """The processes of a strategy; with one, nothing is sent.

    Args:
        strategy: The strategy that trains.
    """

    lost: tuple[type[BaseException], ...] = (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
        tf.errors.InternalError,
    )

    def __init__(self, strategy: Any) -> None:
        self._strategy = strategy
        self.replicas = int(strategy.num_replicas_in_sync)
        resolver = strategy.cluster_resolver
        several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        cluster = resolver.cluster_spec().as_dict() if several else {}
        chiefs, workers = cluster.get("chief", []), cluster.get("worker", [])
        self.count = max(len([*chiefs, *workers]), 1)
        self.index = 0
        self.local = self.replicas
        if self.count > 1:
            before = len(chiefs) if resolver.task_type != "chief" else 0
            self.index = before + resolver.task_id
            self.local = len(strategy.extended.worker_devices)
            self._sum_on_all = _summing(strategy)

    def sum(self, values: NDArray[Any]) -> NDArray[Any]:
        """The sum over several processes of one array of each, int64."""
        summed = self._sum_on_all(tf.constant(values, tf.int64))
        local = self._strategy.experimental_local_results(summed)
        return np.asarray(local[0].numpy())


def _summing(strategy: Any) -> Any:
    local = len(strategy.extended.worker_devices)

    def on_replica(values: Any) -> Any:
        context = tf.distribute.get_replica_context()
        # Of the replicas of a worker, one brings its values.
        brings = context.replica_id_in_sync_group % local == 0
        mine = tf.where(brings, values, tf.zeros_like(values))
        return context.all_reduce(tf.distribute.ReduceOp.SUM, mine)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)])  # type: ignore[untyped-decorator]
    def on_all(values: Any) -> Any:
        return strategy.run(on_replica, (values,))

    return on_all
