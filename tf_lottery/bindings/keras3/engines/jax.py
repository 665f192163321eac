"""JAX: a step is a function of the state, which takes over its memory."""

from collections.abc import Iterator
from typing import Any

import jax

from tf_lottery.bindings.keras3._imports import keras
from tf_lottery.bindings.keras3.engines.base import EngineBase, numbers
from tf_lottery.bindings.parts import Logs


class Engine(EngineBase):
    """Takes steps by the compiled `train_step`, and gives their state to the model."""

    def __init__(self, model: Any, group: int, given: int) -> None:
        super().__init__(model, group, given)
        compiled = model.jit_compile and not model.run_eagerly
        step, test = self._counted(model.train_step), model.test_step
        self._step = step if not compiled else _jit(model, step)

        def test_step(weights: Any, others: Any, metrics: Any, batch: Any) -> Any:
            logs, (_, *changed) = test((weights, others, metrics), batch)
            return logs, *changed

        self._test_step = test_step if not compiled else jax.jit(test_step)

    def train(self, batches: Iterator[Any], size: int) -> Logs:
        model = self.model
        variables = (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )
        state: Any = tuple(map(_values, variables))
        try:
            for _ in range(size):
                logs, state = self._step(state, _placed(next(batches)))
                self.steps += 1
        finally:
            for kind, values in zip(variables, state, strict=True):
                _set(kind, values)
        return numbers(logs)

    def _tested(self, data: Any, size: int, callbacks: Any) -> tuple[Any, int]:
        model = self.model
        weights = _values(model.trainable_variables)
        others = _values(model.non_trainable_variables)
        metrics = _values(model.metrics_variables)
        logs, number = {}, 0
        for number, batch in enumerate(data, 1):
            if callbacks:
                callbacks.on_test_batch_begin(number - 1)
            logs, others, metrics = self._test_step(
                weights, others, metrics, _placed(batch)
            )
            if callbacks:
                callbacks.on_test_batch_end(number - 1, logs)
        _set(model.metrics_variables, metrics)
        return logs, number


def _jit(model: Any, step: Any) -> Any:
    if keras.distribution.distribution() is None:
        return jax.jit(step, donate_argnums=0)
    shardings = None, model._get_state_sharding_spec()
    return jax.jit(step, donate_argnums=0, out_shardings=shardings)


def _placed(batch: Any) -> Any:
    """A batch on the devices of a distribution, if there is one."""
    if keras.distribution.distribution() is None:
        return batch
    return keras.src.backend.jax.trainer._distribute_data(batch)


def _values(variables: Any) -> list[Any]:
    return [variable.value for variable in variables]


def _set(variables: Any, values: Any) -> None:
    # Not by `assign`, which would convert, and which masks what a callback assigns.
    for variable, value in zip(variables, values, strict=True):
        variable._value = value
