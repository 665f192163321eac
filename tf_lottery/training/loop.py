"""The training loop: Keras `fit`, cut where a lottery has to look.

`fit` can stop only where `steps_per_execution` and epochs end. A search has to
stop at validation passes, at the step it rewinds to and at its last step, so
this loop calls the model's own compiled train function in groups that end
there. The function, the callbacks and their order are those of Keras.
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tf_lottery.bindings.parts import Engine, Feed, Logs
from tf_lottery.core import stopping

if TYPE_CHECKING:
    from tf_lottery.training.one_training import OneTraining

_SECONDS = 2.0  # that a call may last: Python sees a signal at its end


class Pace:
    """How many steps one call may take, so that a signal is answered in seconds.

    It begins with few, as the speed of the data is unknown, and at most doubles:
    batches that were read ahead come faster than later ones.
    """

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most
        self.size = least

    def measured(self, steps: int, seconds: float) -> None:
        """Notes how long a call took."""
        fitting = int(_SECONDS * steps / max(seconds, 1e-9))
        self.size = max(self._least, min(self._most, 2 * self.size, fitting))


class Loop:
    """Trains a compiled model from one optimizer step to another.

    `evaluated` has the data of `evaluate`, by name.
    """

    def __init__(
        self, engine: Engine, feed: Feed, evaluated: Mapping[str, Any]
    ) -> None:
        self.engine = engine
        self.feed = feed
        self.evaluated = evaluated
        # How many batches the first and the last evaluation of each had.
        self.counted: dict[str, tuple[int, int]] = {}
        self.due = 0  # steps that are being done
        self._paces: dict[str, Pace] = {}

    def run(self, training: "OneTraining") -> None:
        """Trains to the last step, unless a callback stops the training earlier.

        The training looks at the model after each group of steps, and writes its
        checkpoint at an epoch's end, after all callbacks.
        """
        engine, epoch_length = self.engine, self.feed.steps_per_epoch
        pass_length, callbacks = self.feed.pass_length, training.callbacks
        batches, iterator = self.feed.begin(), None
        step, stop = training.run.step, training.lengths.last
        new_epoch = True
        engine.begin(step)
        while step < stop and not engine.stopped:
            stopping.check()
            epoch, offset = divmod(step, epoch_length)
            if new_epoch:
                engine.begin_epoch()
                callbacks.on_epoch_begin(epoch)
            if iterator is None or (pass_length and step % pass_length == 0):
                iterator = batches.open(step)
            ends = [stop, (epoch + 1) * epoch_length, training.next_look(step)]
            if pass_length:
                ends.append((step // pass_length + 1) * pass_length)
            size = min(*ends, step + self._pace("train").size) - step
            callbacks.on_train_batch_begin(offset)
            logs = self._train(iterator, size, training.what)
            step += size
            if pass_length and step % pass_length == 0:
                self.feed.check_end(iterator, step, training.what)
            callbacks.on_train_batch_end(offset + size - 1, logs)
            training.look(step, logs)
            new_epoch = step % epoch_length == 0
            if new_epoch or step == stop or engine.stopped:
                callbacks.on_epoch_end(epoch, logs)
                training.write_checkpoint()

    def evaluate(self, name: str, callbacks: Any = None) -> Logs:
        """The metrics `name_*` on data; empty if there are no such data."""
        if name not in self.evaluated:
            return {}
        stopping.check()
        began, pace = time.monotonic(), self._pace(name)
        data = self.evaluated[name]
        logs, batches = self.engine.evaluate(data, pace.size, callbacks)
        pace.measured(max(batches, 1), time.monotonic() - began)
        first, _ = self.counted.get(name, (batches, 0))
        self.counted[name] = first, batches
        return {f"{name}_{metric}": value for metric, value in logs.items()}

    def _train(self, iterator: Any, size: int, what: str) -> Logs:
        """The training metrics after a group of steps."""
        began, self.due = time.monotonic(), size
        try:
            logs = self.engine.train(iterator, size)
        except self.feed.ended as error:
            if missing := self.feed.missing(error, self.engine.steps, what):
                raise missing from error
            raise
        self.due = 0
        self._pace("train").measured(size, time.monotonic() - began)
        return logs

    def _pace(self, name: str) -> Pace:
        pace = Pace(self.engine.least, self.engine.group)
        return self._paces.setdefault(name, pace)
