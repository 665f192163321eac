"""The training loop: Keras `fit`, cut where a lottery has to look.

`fit` can stop only where `steps_per_execution` and epochs end. A search has to
stop at validation passes, at the step it rewinds to and at its last step, so
this loop calls the model's own compiled train function in groups that end
there. The function, the callbacks and their order are those of Keras.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tf_lottery._keras import keras
from tf_lottery.training.data import Feed

# Grouped steps are bit-identical to single ones and save a third of the time.
GROUP = 50

Logs = dict[str, float]


class Loop:
    """Trains a compiled model from one optimizer step to another.

    Args:
        model: Compiled with `steps_per_execution` > 1, so that the size of a
            group can be set at run time, or equal to 1.
        feed: The batches.
        group: The most steps of one call of the train function.
    """

    def __init__(self, model: Any, feed: Feed, group: int) -> None:
        self._model = model
        self._feed = feed
        self._group = group
        # Made here, while the group is set: with groups of 1 Keras makes a function
        # for single steps, and keeps it.
        self._train = model.make_train_function()

    def run(
        self,
        start: int,
        stop: int,
        callbacks: Any,
        next_look: Callable[[int], int],
        look: Callable[[int, Logs], None],
    ) -> None:
        """Trains from step `start` to `stop`.

        Args:
            start: The step to start from; callbacks see its epoch.
            stop: The step to end at, unless a callback stops the training.
            callbacks: Keras' `CallbackList`.
            next_look: From a step to the next one at which a group has to end.
            look: Called after each group with the step and the training metrics;
                what it adds to them, callbacks see at an epoch's end.
        """
        epoch_length, pass_length = self._feed.steps_per_epoch, self._feed.pass_length
        batches: Any = None
        self._model.stop_training = False
        step, new_epoch = start, True
        while step < stop and not self._model.stop_training:
            epoch, offset = divmod(step, epoch_length)
            if new_epoch:
                self._model.reset_metrics()
                callbacks.on_epoch_begin(epoch)
            if batches is None or (pass_length and step % pass_length == 0):
                batches = self._feed.open(step)
            ends = [stop, (epoch + 1) * epoch_length, next_look(step)]
            if pass_length:
                ends.append((step // pass_length + 1) * pass_length)
            size = min(*ends, step + self._group) - step
            self._set_group(size)
            callbacks.on_train_batch_begin(offset)
            logs = _numbers(self._train(batches))
            step += size
            callbacks.on_train_batch_end(offset + size - 1, logs)
            look(step, logs)
            new_epoch = step % epoch_length == 0
            if new_epoch or step == stop or self._model.stop_training:
                callbacks.on_epoch_end(epoch, logs)

    def evaluate(self, dataset: Any, callbacks: Any = None) -> Logs:
        """The metrics on a dataset; training metrics go on as if nothing was."""
        with self._kept_metrics():
            self._set_group(1)
            return _numbers(
                self._model.evaluate(
                    dataset, verbose=0, return_dict=True, callbacks=callbacks
                )
            )

    def traces(self) -> int:
        """How often the train function was traced."""
        function = getattr(self._model, "train_tf_function", None)
        return function.experimental_get_tracing_count() if function else 0

    def _set_group(self, size: int) -> None:
        if self._group > 1:
            self._model._steps_per_execution.assign(size)

    @contextlib.contextmanager
    def _kept_metrics(self) -> Iterator[None]:
        variables = [v for metric in self._model.metrics for v in metric.variables]
        values = [variable.numpy() for variable in variables]
        yield
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def callback_list(callbacks: Any, model: Any, epochs: int, steps: int) -> Any:
    """Keras' list of callbacks, which also keeps `model.history`."""
    return keras.callbacks.CallbackList(
        callbacks, add_history=True, model=model, epochs=epochs, steps=steps, verbose=0
    )


def sees_batches(callbacks: Any) -> bool:
    """Whether any of the callbacks acts on batches, so that groups would hide some."""
    return bool(keras.callbacks.CallbackList(callbacks)._should_call_train_batch_hooks)


def _numbers(logs: Any) -> Logs:
    values = keras.src.utils.tf_utils.sync_to_numpy_or_python_type(logs)
    return {name: float(np.mean(value)) for name, value in values.items()}
