"""The train and test functions that Keras compiled, called in groups of any size.

Keras' `fit` can end a group of steps only where `steps_per_execution` divides. In the
functions that Keras makes the size of a group is a variable, so it can be set for each
call, and nothing is traced again.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tf_lottery.bindings.parts import Logs, Names
from tf_lottery.bindings.shared.metric_names import metric_names
from tf_lottery.bindings.shared.optimizers import inner_of
from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.checks.own_steps import has_own
from tf_lottery.bindings.tf_keras.layers import without_wrapper
from tf_lottery.bindings.tf_keras.states import kept, recurrent_states


class Engine:
    """Takes groups of optimizer steps, see `parts.Engine`.

    The model is compiled with `steps_per_execution` of `group`; `given` is that of the
    user, which callbacks see.
    """

    errors: tuple[type[BaseException], ...] = (tf.errors.OpError,)

    def __init__(self, model: Any, group: int, given: int) -> None:
        self.model = model
        self.group = group
        self._given = given
        # Workers must agree on the size of a group, and measure different times.
        alone = not model.distribute_strategy.extended._in_multi_worker_mode()
        self.least = given if alone else group
        self._states = list(recurrent_states(model).values())
        # Metrics of several workers are whole on each; Keras would add them up.
        model.distribute_reduction_method = "first"
        # Keras traces a step twice, first to see what its loop returns. A function of
        # its own is traced once.
        one = model.distribute_strategy.num_replicas_in_sync == 1 and group > given
        self._steps = {
            name: tf.function(getattr(model, name), reduce_retracing=True)
            for name in ("train_step", "test_step")
            if one and not has_own(model, name)
        }
        # Made here, while the group is set: with groups of 1 Keras makes functions
        # for single steps, and keeps them.
        self._train = model.make_train_function()
        model.make_test_function()
        model._steps_per_execution.assign(given)

    @property
    def names(self) -> Names:
        model = self.model
        kinds = {metric.name: type(metric).__name__ for metric in model.metrics}
        outputs = model.output_names if len(model.output_names) > 1 else []
        layers = list(map(without_wrapper, model.layers))
        return metric_names(model.metrics_names, kinds, outputs, layers)

    @property
    def metrics(self) -> list[str]:
        compiled = {metric.name for metric in self.model.compiled_metrics.metrics}

        def place(name: str) -> int:
            if name.endswith("loss"):
                return 1
            # What a model adds by `add_metric` may be of any direction.
            return 0 if name in compiled else 2

        ordered = [*sorted(self.model.metrics_names, key=place), "loss"]
        return list(self.names.recorded(dict.fromkeys(ordered)))

    @property
    def stopped(self) -> bool:
        return bool(self.model.stop_training)

    @property
    def steps(self) -> int:
        return int(self.model._train_counter.numpy())

    @property
    def traces(self) -> int:
        function = getattr(self.model, "train_tf_function", None)
        return function.experimental_get_tracing_count() if function else 0

    def begin(self, step: int) -> None:
        self.model._train_counter.assign(step)
        self.model.stop_training = False

    def begin_epoch(self) -> None:
        self.model.reset_metrics()

    def train(self, batches: Iterator[Any], size: int) -> Logs:
        with self._group_of(size):
            return _numbers(self._train(batches))

    def evaluate(self, data: Any, size: int, callbacks: Any) -> tuple[Logs, int]:
        # Keras loses what a group counted in which batches of unknown number end.
        size = size if int(data.cardinality()) > 0 else 1
        metrics = [v for metric in self.model.metrics for v in metric.variables]
        with kept([*metrics, *self._states]):
            # The metrics depend on weights alone.
            for state in self._states:
                state.assign(tf.zeros_like(state))
            logs = _numbers(self._evaluated(data, size, callbacks))
        return logs, int(self.model._test_counter.numpy())

    def callback_list(self, callbacks: Sequence[Any], epochs: int, steps: int) -> Any:
        return keras.callbacks.CallbackList(
            callbacks,
            add_history=True,
            model=self.model,
            epochs=epochs,
            steps=steps,
            verbose=0,
        )

    def finalize(self) -> bool:
        optimizer = self.model.optimizer
        inner = inner_of(optimizer)
        if not getattr(inner, "use_ema", False):
            return False
        inner.finalize_variable_values(self.model.trainable_variables)
        return True

    def traced(self, spec: Any, evaluated: Mapping[str, Any]) -> Iterator[Any]:
        """The steps of training and of evaluation as concrete functions.

        The compiled training step is traced here, before it is first called, and not
        again. What cannot be traced, as an eager step may be, is left out.
        """
        alone = self.model.distribute_strategy.num_replicas_in_sync == 1
        function = getattr(self.model, "train_tf_function", None)
        if alone and function is not None:
            with self._functions():
                yield function.get_concrete_function(tf.data.IteratorSpec(spec))
        else:
            yield from self._traced_on_replicas(self.model.train_step, spec)
        for dataset in evaluated.values():
            step = self._steps.get("test_step", self.model.test_step)
            yield from self._traced_on_replicas(step, dataset.element_spec)

    def _evaluated(self, data: Any, size: int, callbacks: Any) -> Any:
        """What Keras' `evaluate` gives, in groups that no callback sees."""
        own = keras.callbacks.CallbackList([], model=self.model)
        arguments = {"verbose": 0, "return_dict": True}
        if self.group == self._given:  # a callback may act on batches
            return self.model.evaluate(data, callbacks=callbacks or own, **arguments)
        if callbacks:
            callbacks.on_test_begin()
        with self._group_of(size):
            logs = self.model.evaluate(data, callbacks=own, **arguments)
        if callbacks:
            callbacks.on_test_end(logs)
        return logs

    def _traced_on_replicas(
        self, step: Callable[[Any], Any], spec: Any
    ) -> Iterator[Any]:
        strategy = self.model.distribute_strategy

        def on_replicas(batch: Any) -> Any:
            return strategy.run(step, (batch,))

        with contextlib.suppress(Exception):  # its own errors come when it is called
            yield tf.function(on_replicas).get_concrete_function(spec)

    @contextlib.contextmanager
    def _group_of(self, size: int) -> Iterator[None]:
        """Sets how many steps a call takes: outside it is what the user compiled."""
        if self.group == 1:
            yield
            return
        self.model._steps_per_execution.assign(size)
        try:
            with self._functions():
                yield
        finally:
            self.model._steps_per_execution.assign(self._given)

    @contextlib.contextmanager
    def _functions(self) -> Iterator[None]:
        """Lets Keras call the steps as functions; outside it they are methods."""
        attributes = vars(self.model)
        attributes.update(self._steps)
        try:
            yield
        finally:
            for name in self._steps:
                del attributes[name]


def _numbers(logs: Any) -> Logs:
    values = keras.src.utils.tf_utils.sync_to_numpy_or_python_type(logs)
    return {name: float(np.mean(value)) for name, value in values.items()}
