"""JAX: a step is a function of the state, which takes over its memory."""

import itertools
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, cast

import jax

from tf_lottery.bindings.keras3._imports import keras
from tf_lottery.bindings.keras3.engines.base import Checked, EngineBase, numbers
from tf_lottery.bindings.keras3.engines.jax_groups import Sources, Step, grouped
from tf_lottery.bindings.keras3.engines.jax_lanes import Lanes
from tf_lottery.bindings.parts import Logs


class Engine(EngineBase):
    """Takes groups of steps in one program, and gives their state to the model.

    Steps of an eager model, and of one on several devices, are taken one by one.
    """

    def __init__(
        self, model: Any, group: int, given: int, checked: Checked = nullcontext
    ) -> None:
        super().__init__(model, group, given, checked)
        compiled = model.jit_compile and not model.run_eagerly
        train, test = self._counted(model.train_step), model.test_step
        self.lanes: Any = None

        def train_step(fixed: Any, state: Any, batch: Any) -> Any:
            return train(state, batch)

        def test_step(weights: Any, state: Any, batch: Any) -> Any:
            logs, (_, *changed) = test((weights, *state), batch)
            metrics = zip(model.metrics_variables, changed[1], strict=True)
            with keras.StatelessScope(state_mapping=metrics):
                logs = model._get_metrics_result_or_logs(logs)
            return logs, tuple(changed)

        self._sources: Any
        self._steps = None
        if compiled and keras.distribution.distribution() is None:
            self._sources, self._steps = Sources(group), (train_step, test_step)
            self._train = grouped(train_step, donate=True)
            self._test = grouped(test_step, donate=False)
        else:
            self._sources = _one_by_one
            if compiled:
                shardings = None, model._get_state_sharding_spec()
                train_step = jax.jit(
                    train_step, donate_argnums=1, out_shardings=shardings
                )
                test_step = jax.jit(test_step)
            self._train, self._test = _single(train_step), _single(test_step)

    def lanes_of(self, live: Any) -> Lanes | None:
        """What trains tickets side by side; None where steps are taken one by one."""
        if self._steps is None:
            return None
        return Lanes(self, live, *self._steps, self._sources.rows)

    def begin_epoch(self) -> None:
        if self.lanes is not None:
            self.lanes.begin_epoch()
        else:
            super().begin_epoch()

    def train(self, batches: Iterator[Any], size: int) -> Logs:
        if self.lanes is not None:
            return cast(Logs, self.lanes.train(batches, size))
        model = self.model
        variables = (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )
        state: Any = tuple(map(_values, variables))
        last = self.steps + size
        try:
            for source, number in self._sources(batches, size, size):
                logs, state = self._train((), state, source, number)
                self.steps += number
        finally:
            for kind, values in zip(variables, state, strict=True):
                _set(kind, values)
        if self.steps < last:
            raise StopIteration
        return numbers(jax.device_get(logs))

    def finalize(self) -> bool:
        if self.lanes is not None:
            self.lanes.load()
        return super().finalize()

    def evaluate(self, data: Any, size: int, callbacks: Any) -> tuple[Logs, int]:
        if self.lanes is not None:
            return cast(tuple[Logs, int], self.lanes.evaluate(iter(data)))
        return super().evaluate(data, size, callbacks)

    def _tested(self, data: Any, size: int, callbacks: Any) -> tuple[Any, int]:
        model = self.model
        weights = _values(model.trainable_variables)
        kinds = model.non_trainable_variables, model.metrics_variables
        state: Any = tuple(map(_values, kinds))
        logs, done = {}, 0
        for source, number in self._sources(iter(data), None, size):
            if callbacks:
                callbacks.on_test_batch_begin(done)
            logs, state = self._test(weights, state, source, number)
            done += number
            if callbacks:
                callbacks.on_test_batch_end(done - 1, logs)
        _set(model.metrics_variables, state[1])
        return jax.device_get(logs), done


def _one_by_one(batches: Any, number: int | None, _: int) -> Iterator[tuple[Any, int]]:
    return ((batch, 1) for batch in itertools.islice(batches, number))


def _single(step: Step) -> Any:
    """Takes one step, on the devices of a distribution if there is one."""

    def taken(fixed: Any, state: Any, batch: Any, _: int) -> Any:
        if keras.distribution.distribution() is not None:
            batch = keras.src.backend.jax.trainer._distribute_data(batch)
        return step(fixed, state, batch)

    return taken


def _values(variables: Any) -> list[Any]:
    return [variable.value for variable in variables]


def _set(variables: Any, values: Any) -> None:
    # Not by `assign`, which would convert, and which masks what a callback assigns.
    for variable, value in zip(variables, values, strict=True):
        variable._value = value
