"""Which devices train: strategies by name, those that cannot, and their processes."""

import contextlib
import functools
import os
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery.bindings.tf_shared._imports import tf

_KINDS = {
    "mirrored": tf.distribute.MirroredStrategy,
    "multiworker": tf.distribute.MultiWorkerMirroredStrategy,
    "tpu": tf.distribute.TPUStrategy,
}
NAMES = tuple(_KINDS)


class Processes:
    """The processes of a strategy; with one, nothing is sent."""

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
        summed = self._sum_on_all(tf.constant(values, tf.int64))
        local = self._strategy.experimental_local_results(summed)
        return np.asarray(local[0].numpy())


class Devices:
    """The devices of a `tf.distribute` strategy."""

    def __init__(self, strategy: Any) -> None:
        self.strategy = strategy
        self.on_cpu = _on_cpu(strategy)
        kinds = tf.distribute.TPUStrategy, tf.distribute.experimental.TPUStrategy
        self.needs_static_shapes = isinstance(strategy, kinds)  # XLA on a TPU
        self.processes = Processes(strategy)

    def scope(self) -> AbstractContextManager[Any]:
        scope: AbstractContextManager[Any] = self.strategy.scope()
        return scope

    def in_words(self) -> str:
        strategy, number = self.strategy, self.processes.replicas
        if _is_default(strategy):
            return f"one device ({'CPU' if self.on_cpu else 'GPU'})"
        several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        name = "MultiWorkerMirroredStrategy" if several else type(strategy).__name__
        devices = (n.split("/device:")[-1] for n in strategy.extended.worker_devices)
        here = ", ".join(devices)
        return f"{name} on {number} replica{'s' * (number > 1)} ({here} here)"


def devices(strategy: Any, model: Any = None) -> Devices:
    """See `Binding.devices`.

    `strategy` is a `tf.distribute.Strategy`; "mirrored", "multiworker" or "tpu"; or
    None: the one that the model was built in, else the current one. `model` is None if
    it does not exist yet.
    """
    if isinstance(strategy, Devices):
        strategy = strategy.strategy
    built = model is not None
    own = model.distribute_strategy if built else tf.distribute.get_strategy()
    if isinstance(strategy, str) and strategy in NAMES:
        is_own = isinstance(own, _KINDS[strategy])
        strategy = own if is_own else _named(strategy, built)
    if strategy is None:
        strategy = own
    if not isinstance(strategy, tf.distribute.Strategy):
        wrong = ValueError if isinstance(strategy, str) else TypeError
        raise wrong(
            "`strategy` must be a tf.distribute.Strategy, or one of "
            f"{', '.join(map(repr, NAMES))}. Received: strategy={strategy!r}."
        )
    _check(strategy, own)
    return Devices(strategy)


def strategy_in_scope() -> str:
    """See `Binding.strategy_in_scope`."""
    if not tf.distribute.has_strategy():
        return ""
    return type(tf.distribute.get_strategy()).__name__


def _on_cpu(strategy: Any) -> bool:
    if _is_default(strategy):
        return not tf.config.list_physical_devices("GPU")
    return all("CPU" in device for device in strategy.extended.worker_devices)


def _named(name: str, built: bool) -> Any:
    if name == "mirrored":
        return _mirrored()
    if built:
        raise ValueError(
            f"strategy={name!r} needs a function that returns the model, as it is made "
            "before TensorFlow runs anything. Received: a model that is built already. "
            "Pass a function. Or create the strategy first, build the model in its "
            "scope, and pass no `strategy`."
        )
    return _multiworker() if name == "multiworker" else _tpu()


# One object a process: TensorFlow's collectives fail after a few.
@functools.cache
def _mirrored() -> Any:
    _grow_memory()
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    names = [device.name for device in tf.config.list_logical_devices(kind)]
    return tf.distribute.MirroredStrategy(names)


@functools.cache
def _multiworker() -> Any:
    _grow_memory()
    if not os.environ.get("TF_CONFIG"):
        raise ValueError(
            'strategy="multiworker" reads the cluster from the environment variable '
            "TF_CONFIG. Received: none. See docs/distribution.md."
        )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise ValueError(
            'strategy="multiworker" must be made before TensorFlow runs anything. '
            f"TensorFlow says: {error} Create it at the program's start."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            "The environment variable TF_CONFIG must be JSON with a cluster and a "
            f"task. Received: {os.environ['TF_CONFIG']!r} ({error}). See "
            "docs/distribution.md."
        ) from error


@functools.cache
def _tpu() -> Any:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
    except (ValueError, tf.errors.OpError) as error:
        raise ValueError(
            'strategy="tpu" needs a TPU: run it on a TPU VM, or set TPU_NAME. '
            f"TensorFlow says: {error}"
        ) from error
    return tf.distribute.TPUStrategy(resolver)


def _grow_memory() -> None:
    """Takes the memory of GPUs when it is needed, unless TensorFlow has started."""
    for device in tf.config.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(device, True)


def _check(strategy: Any, own: Any) -> None:
    name = type(strategy).__name__
    if "ParameterServer" in name or "CentralStorage" in name:
        raise ValueError(
            "The strategy must keep every replica at the same step: a ticket is what "
            f"all weights are at one step. Received: {name}. Use MirroredStrategy, "
            "MultiWorkerMirroredStrategy or TPUStrategy."
        )
    if own is not strategy and not _is_default(own):
        raise ValueError(
            "The model was built in the scope of another strategy. Received: a model "
            f"on {Devices(own).in_words()}, and {Devices(strategy).in_words()}. Omit "
            "`strategy` to train where the model is, or pass a function that returns "
            "the model."
        )


def _is_default(strategy: Any) -> bool:
    return type(strategy).__name__ == "_DefaultDistributionStrategy"


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
