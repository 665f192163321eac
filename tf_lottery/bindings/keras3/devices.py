"""Which devices train: one, those of a JAX distribution, or a strategy's."""

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery.bindings.keras3._imports import BACKEND, backend, keras


class Processes:
    """One process: nothing is sent."""

    count = 1
    index = 0
    lost: tuple[type[BaseException], ...] = ()

    def __init__(self, replicas: int) -> None:
        self.replicas = self.local = replicas

    def sum(self, values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(values)


class Devices:
    """What the backend computes on."""

    def __init__(self) -> None:
        self.on_cpu = backend.platform() == "cpu"
        distribution = keras.distribution.distribution()
        self._mesh = getattr(distribution, "device_mesh", None)
        self.processes = Processes(int(self._mesh.devices.size) if self._mesh else 1)
        self._kind = type(distribution).__name__

    def scope(self) -> AbstractContextManager[Any]:
        kept: AbstractContextManager[Any] = backend.programs_kept()
        return kept

    def in_words(self) -> str:
        if self._mesh is None:
            return f"one device ({backend.platform().upper()})"
        number = self.processes.replicas
        return f"keras.distribution.{self._kind} on {number} devices"


def devices(strategy: Any, model: Any) -> Any:
    """See `Binding.devices`."""
    if BACKEND == "tensorflow":
        from tf_lottery.bindings.tf_shared.devices import devices as of_tensorflow

        return of_tensorflow(
            strategy, model if isinstance(model, keras.Model) else None
        )
    if isinstance(strategy, Devices):
        return strategy
    if strategy is not None:
        raise ValueError(
            f"`strategy` is for TensorFlow. Received: strategy={strategy!r} on the "
            f"{BACKEND} backend. On JAX, call `keras.distribution.set_distribution("
            "keras.distribution.DataParallel())` before the model is built."
        )
    return Devices()


def strategy_in_scope() -> str:
    """See `Binding.strategy_in_scope`: there are strategies on TensorFlow only."""
    if BACKEND != "tensorflow":
        return ""
    from tf_lottery.bindings.tf_shared.devices import strategy_in_scope as of_tensorflow

    return of_tensorflow()


def scope_of(model: Any) -> AbstractContextManager[Any]:
    """Where the variables of a model are made."""
    strategy = getattr(model, "_distribute_strategy", None)
    scope: AbstractContextManager[Any]
    scope = backend.programs_kept() if strategy is None else strategy.scope()
    return scope
