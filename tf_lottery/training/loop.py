"""The training loop: Keras `fit`, cut where a lottery has to look.

`fit` can stop only where `steps_per_execution` and epochs end. A search has to
stop at validation passes, at the step it rewinds to and at its last step, so
this loop calls the model's own compiled train function in groups that end
there. The function, the callbacks and their order are those of Keras.
"""

import contextlib
import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.data.feed import Feed
from tf_lottery.bindings.tf_keras.data.passes import ENDED, check_end, ended_early
from tf_lottery.bindings.tf_keras.metric_names import MetricNames
from tf_lottery.bindings.tf_keras.states import recurrent_states
from tf_lottery.core import stopping
from tf_lottery.training.pace import Pace

Logs = dict[str, float]


class Loop:
    """Trains a compiled model from one optimizer step to another.

    Args:
        model: Compiled with `steps_per_execution` > 1, so that the size of a
            group can be set at run time, or equal to 1.
        feed: The batches.
        evaluated: The datasets of `evaluate`, by name.
        group: The most steps of one call of the train or test function.
        given: The `steps_per_execution` that the user compiled with: callbacks see it.
    """

    def __init__(
        self,
        model: Any,
        feed: Feed,
        evaluated: Mapping[str, Any],
        group: int,
        given: int,
    ) -> None:
        self.model = model
        self.feed = feed
        self.evaluated = evaluated
        self.counted: dict[str, int] = {}  # batches of each, once evaluated
        self.due = 0  # steps that are being done
        self._group = group
        self._given = given
        self._paces: dict[str, Pace] = {}
        self._states = list(recurrent_states(model).values())
        # Metrics of several workers are whole on each; Keras would add them up.
        model.distribute_reduction_method = "first"
        # Made here, while the group is set: with groups of 1 Keras makes functions
        # for single steps, and keeps them.
        self._train = model.make_train_function()
        model.make_test_function()
        model._steps_per_execution.assign(given)

    @property
    def names(self) -> MetricNames:
        """What the model's metrics are called; they must be made."""
        return MetricNames(self.model)

    def on(self, feed: Feed, evaluated: Mapping[str, Any]) -> "Loop":
        """The loop of the same compiled model on other data."""
        other = copy.copy(self)
        other.feed, other.evaluated = feed, evaluated
        other.counted, other._paces = {}, {}
        return other

    def run(
        self,
        start: int,
        stop: int,
        callbacks: Any,
        next_look: Callable[[int], int],
        look: Callable[[int, Logs], None],
        what: str,
    ) -> None:
        """Trains from step `start` to `stop`.

        Args:
            start: The step to start from; callbacks see its epoch.
            stop: The step to end at, unless a callback stops the training.
            callbacks: Keras' `CallbackList`.
            next_look: From a step to the next one at which a group has to end.
            look: Called after each group with the step and the training metrics;
                what it adds to them, callbacks see at an epoch's end.
            what: What is trained, for messages.

        Raises:
            RuntimeError: A pass has other batches than the feed says.
        """
        epoch_length, pass_length = self.feed.steps_per_epoch, self.feed.pass_length
        batches: Any = None
        self.model.stop_training = False
        step, new_epoch = start, True
        pace = self._pace("train")
        while step < stop and not self.model.stop_training:
            stopping.check()
            epoch, offset = divmod(step, epoch_length)
            if new_epoch:
                self.model.reset_metrics()
                callbacks.on_epoch_begin(epoch)
            if batches is None or (pass_length and step % pass_length == 0):
                batches = self.feed.open(step)
            ends = [stop, (epoch + 1) * epoch_length, next_look(step)]
            if pass_length:
                ends.append((step // pass_length + 1) * pass_length)
            size = min(*ends, step + pace.size) - step
            callbacks.on_train_batch_begin(offset)
            began = time.monotonic()
            self.due = size
            try:
                with self._group_of(size):
                    logs = _numbers(self._train(batches))
            except ENDED as error:
                done = int(self.model._train_counter.numpy())
                if ended := ended_early(error, self.feed, done, what):
                    raise ended from error
                raise
            self.due = 0
            pace.measured(size, time.monotonic() - began)
            step += size
            if pass_length and step % pass_length == 0:
                check_end(batches, self.feed, step, what)
            callbacks.on_train_batch_end(offset + size - 1, logs)
            look(step, logs)
            new_epoch = step % epoch_length == 0
            if new_epoch or step == stop or self.model.stop_training:
                callbacks.on_epoch_end(epoch, logs)

    def evaluate(self, name: str, callbacks: Any = None) -> Logs:
        """The metrics `name_*` on a dataset, none if there is no such dataset.

        Training goes on as if nothing was, and the metrics depend on weights alone:
        stateful recurrent layers begin at zero, and get their training's state back.
        """
        if name not in self.evaluated:
            return {}
        stopping.check()
        dataset = self.evaluated[name]
        # Keras loses what a group counted in which batches of unknown number end.
        pace, known = self._pace(name), int(dataset.cardinality()) > 0
        size = pace.size if known else 1
        metrics = [v for metric in self.model.metrics for v in metric.variables]
        with _kept([*metrics, *self._states]):
            for state in self._states:
                state.assign(tf.zeros_like(state))
            began = time.monotonic()
            logs = _numbers(self._evaluated(dataset, size, callbacks))
        batches = max(int(self.model._test_counter.numpy()), 1)
        pace.measured(batches, time.monotonic() - began)
        return {f"{name}_{metric}": value for metric, value in logs.items()}

    def _evaluated(self, dataset: Any, size: int, callbacks: Any) -> Any:
        """What Keras' `evaluate` gives, in groups that no callback sees."""
        own = keras.callbacks.CallbackList([], model=self.model)
        arguments = {"verbose": 0, "return_dict": True}
        if self._group == self._given:  # a callback may act on batches
            return self.model.evaluate(dataset, callbacks=callbacks or own, **arguments)
        if callbacks:
            callbacks.on_test_begin()
        with self._group_of(size):
            logs = self.model.evaluate(dataset, callbacks=own, **arguments)
        if callbacks:
            callbacks.on_test_end(logs)
        return logs

    def traced(self) -> Iterator[Any]:
        """The steps of training and evaluation as concrete functions.

        The compiled training step is traced here, before it is first called, and not
        again. What cannot be traced, as an eager step may be, is left out.
        """
        alone = self.model.distribute_strategy.num_replicas_in_sync == 1
        function = getattr(self.model, "train_tf_function", None)
        if alone and function is not None:
            yield function.get_concrete_function(tf.data.IteratorSpec(self.feed.spec))
        else:
            yield from self._traced_on_replicas(self.model.train_step, self.feed.spec)
        for dataset in self.evaluated.values():
            spec = dataset.element_spec
            yield from self._traced_on_replicas(self.model.test_step, spec)

    def _traced_on_replicas(
        self, step: Callable[[Any], Any], spec: Any
    ) -> Iterator[Any]:
        strategy = self.model.distribute_strategy

        def on_replicas(batch: Any) -> Any:
            return strategy.run(step, (batch,))

        with contextlib.suppress(Exception):  # its own errors come when it is called
            yield tf.function(on_replicas).get_concrete_function(spec)

    def _pace(self, name: str) -> Pace:
        """What keeps the groups of a kind short."""
        # Workers must agree on the size of a group, and measure different times.
        alone = not self.model.distribute_strategy.extended._in_multi_worker_mode()
        least = self._given if alone else self._group
        return self._paces.setdefault(name, Pace(least, self._group))

    def traces(self) -> int:
        """How often the train function was traced."""
        function = getattr(self.model, "train_tf_function", None)
        return function.experimental_get_tracing_count() if function else 0

    @contextlib.contextmanager
    def _group_of(self, size: int) -> Iterator[None]:
        """Sets how many steps a call takes: outside it is what the user compiled."""
        if self._group == 1:
            yield
            return
        self.model._steps_per_execution.assign(size)
        try:
            yield
        finally:
            self.model._steps_per_execution.assign(self._given)


@contextlib.contextmanager
def _kept(variables: Sequence[Any]) -> Iterator[None]:
    """Gives variables their values of now back at the end."""
    values = [variable.numpy() for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def _numbers(logs: Any) -> Logs:
    values = keras.src.utils.tf_utils.sync_to_numpy_or_python_type(logs)
    return {name: float(np.mean(value)) for name, value in values.items()}
