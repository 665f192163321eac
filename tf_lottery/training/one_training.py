"""One training: Keras `fit`, cut where a lottery has to look.

`fit` can stop only where `steps_per_execution` and epochs end. A search has to stop at
validation passes, at the step it rewinds to and at its last step, so the model's own
compiled train function is called in groups of steps that end there. The function, the
callbacks and their order are those of Keras.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tf_lottery.bindings.parts import Logs
from tf_lottery.core import stopping
from tf_lottery.core.outcome import Outcome, State, Weights
from tf_lottery.core.spoiled import is_finite
from tf_lottery.core.ticket import Ticket
from tf_lottery.core.words import warn
from tf_lottery.training import trouble
from tf_lottery.training.checkpoint import Checkpoint, Run
from tf_lottery.training.heard import Heard
from tf_lottery.training.session import Session

Report = Callable[[int, Logs], None]


class OneTraining:
    """Trains the ticket that the live model of a session holds.

    Its `run` begins at the ticket's step, or where a checkpoint was; for the other
    arguments see `Trainer.train`.
    """

    def __init__(
        self,
        session: Session,
        ticket: Ticket,
        run: Run,
        control: str | None,
        checkpoint: Checkpoint | None,
        report: Report | None,
    ) -> None:
        self._session = session
        self._ticket = ticket
        self._run = run
        self._control = control
        self._checkpoint = checkpoint
        self._report = report
        self._keeps_state = control is None  # later tickets start from a ticket's
        self._plan = plan = session.plan
        self._feed = session.data.feed
        self._passes = session.passes
        self._workers = session.prepared.workers
        searched = session.prepared.searched
        self._engine, self._live = searched.engine, searched.live
        self._names = searched.engine.names
        self._lengths = session.lengths
        self._monitor = plan.monitor or session.monitors[0]
        self._evaluate_every = plan.evaluate_every or self._lengths.per_epoch
        of = f"control {control} of " if control else ""
        self._what = f"{of}round {ticket.round}"
        if session.replicate or plan.replicates > 1:
            self._what += f" of replicate {session.replicate}"
        self._due = 0  # steps that are being done
        self._warned: set[str] = set()

    def train(self) -> Outcome:
        """Trains to the plan's last step; to Keras callbacks this is one `fit`.

        Raises:
            FloatingPointError: A loss, the monitored score or a weight became NaN or
                infinite.
            RuntimeError: A callback ended the training early, a pruned weight became
                nonzero, or the data failed.
        """
        return self._trained(self._own_callbacks())

    def _own_callbacks(self) -> list[Any]:
        """The user's callbacks of this training."""
        prepared, run = self._session.prepared, self._run
        where = self._ticket.round, self._session.replicate, self._control
        callbacks: list[Any] = prepared.callbacks_of(*where)
        if self._checkpoint and self._ticket.step < run.step < self._lengths.last:
            path = self._checkpoint.path
            prepared.binding.warn_of_lost_counts(callbacks, run.step, path)
        return callbacks

    def _trained(self, callbacks: list[Any]) -> Outcome:
        run, last_step = self._run, self._lengths.last
        self._started = time.monotonic() - run.seconds
        per_epoch = self._lengths.per_epoch
        epochs = -(-last_step // per_epoch)
        self._callbacks = self._engine.callback_list(callbacks, epochs, per_epoch)
        self._heard = Heard(self._callbacks)
        self._callbacks.on_train_begin()
        self._take_steps()
        if (counted := self._engine.steps) != run.step:
            raise RuntimeError(
                f"The training of {self._what} must end at step {run.step}. Received: "
                f"{counted}, as the model counted. Does a callback train the model, "
                "for example by `train_on_batch`? Only the search may take steps."
            )
        averaged = self._engine.finalize()
        before = self._live.read_weights()
        self._callbacks.on_train_end()  # which may give the best weights back
        changed = self._workers.broadcast_json(not self._holds(before))
        if run.step < last_step and not self._session.prepared.allow_early_stop:
            raise RuntimeError(
                f"A callback stopped the training of {self._what} at "
                f"step {run.step} of {last_step}. A search trains every ticket "
                "for the same time and finds the best step afterwards. Pass "
                "`allow_early_stop=True` to stop all the same."
            )
        self._live.average()
        if averaged or changed or run.curves.get("step", [])[-1:] != [run.step]:
            self._validate(self._names.shown(run.logs))
        return self._outcome()

    def _take_steps(self) -> None:
        """Trains to the last step, unless a callback stops the training earlier.

        The model is looked at after each group of steps; the checkpoint is written at
        an epoch's end, after all callbacks.
        """
        engine, feed, callbacks = self._engine, self._feed, self._callbacks
        epoch_length, pass_length = feed.steps_per_epoch, feed.pass_length
        batches, iterator = feed.begin(), None
        step, stop = self._run.step, self._lengths.last
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
            ends = [stop, (epoch + 1) * epoch_length, self._next_look(step)]
            if pass_length:
                ends.append((step // pass_length + 1) * pass_length)
            size = min(*ends, step + self._session.pace.size) - step
            callbacks.on_train_batch_begin(offset)
            logs = self._take_group(iterator, size)
            step += size
            if pass_length and step % pass_length == 0:
                feed.check_end(iterator, step, self._what)
            callbacks.on_train_batch_end(offset + size - 1, logs)
            self._look(step, logs)
            new_epoch = step % epoch_length == 0
            if new_epoch or step == stop or engine.stopped:
                callbacks.on_epoch_end(epoch, logs)
                self._write_checkpoint()

    def _next_look(self, step: int) -> int:
        """The next step after which the model is looked at."""
        following = (step // self._evaluate_every + 1) * self._evaluate_every
        rewind = self._lengths.rewind
        return min(following, rewind) if step < rewind else following

    def _take_group(self, batches: Iterator[Any], size: int) -> Logs:
        """The training metrics after a group of steps."""
        began, self._due = time.monotonic(), size
        try:
            logs = self._engine.train(batches, size)
        except (*self._feed.ended, *self._engine.errors) as error:
            self._explain(error)
            raise
        self._due = 0
        self._session.pace.measured(size, time.monotonic() - began)
        return logs

    def _explain(self, error: BaseException) -> None:
        """Raises an error that says where the data or the framework failed.

        It is not called for errors of this package and of callbacks, which on some
        backends are of the framework's class.
        """
        if self._due and isinstance(error, self._feed.ended):
            step = self._engine.steps
            if missing := self._feed.missing(error, step, self._what):
                raise missing from error
        if not isinstance(error, self._engine.errors):
            return
        if self._workers.count > 1 and isinstance(error, self._workers.lost):
            return  # another worker ended
        step, due = self._run.step, self._due
        raise trouble.failure(error, self._what, step, due) from error

    def _look(self, step: int, logs: Logs) -> None:
        """What happens between two groups of steps."""
        run = self._run
        run.step, run.logs = step, self._names.recorded(logs)
        run.seconds = self._seconds()
        self._check_number("loss", logs)
        lengths = self._lengths
        rewinds = self._keeps_state and self._plan.retrain == "rewind"
        rewinds = rewinds and self._ticket.step < step == lengths.rewind
        ends = step == lengths.last or self._engine.stopped
        validates = ends or step % self._evaluate_every == 0
        if rewinds or validates or step % lengths.per_epoch == 0:
            self._live.average()  # since the state is read now
        if rewinds:
            run.next_start = step, self._kept("next", self._live.view())
        if validates:
            self._validate(logs)
        # An epoch may end between two validation passes: callbacks see the last.
        last = {k: v[-1] for k, v in run.curves.items() if k.startswith("val_")}
        logs.update(self._names.shown(last))
        logs["round"] = self._ticket.round
        if self._report:
            self._report(step, logs)

    def _write_checkpoint(self) -> None:
        """Writes the checkpoint, if there is one and it is time."""
        if self._checkpoint is None or not self._checkpoint.is_due():
            return
        # A training that continues from a spoiled checkpoint would not notice it.
        state, start = self._live.view(), self._ticket.state
        trouble.check_state(state, start, self._what, self._run.step)
        self._check_masked()
        self._checkpoint.save(self._run, self._live)

    def _validate(self, logs: Logs) -> None:
        run = self._run
        found = self._evaluate("val", self._callbacks)
        loss = "val_loss" if found else "loss"
        logs.update(found)  # callbacks see the names of the model
        values = self._names.recorded(logs)
        for name in {loss: None, self._monitor: None}:
            self._check_number(name, values)
        self._warn_of(values)
        self._check_masked()
        run.note(values)
        if run.best_step < 0 or values[loss] < run.best_loss:
            run.best_weights = {}  # frees the last copy before the next is made
            run.best_weights = self._live.read_weights()
            run.best_step, run.best_loss = run.step, values[loss]
            run.best_metrics = values

    def _outcome(self) -> Outcome:
        self._check_masked()
        run, best_weights = self._run, self._run.best_weights
        if self._plan.retrain == "fine_tune" and self._keeps_state:
            run.next_start = 0, self._kept("next", self._live.view())
        # Not by the step: a callback may have changed weights since.
        ends_best = self._workers.broadcast_json(self._holds(best_weights))
        weights = best_weights
        if not ends_best:
            weights = self._live.view_weights()
            if self._checkpoint:
                weights = self._checkpoint.hold("final", weights)
            else:
                weights = self._kept("final", weights)
        last = {name: curve[-1] for name, curve in run.curves.items() if name != "step"}
        test = self._names.recorded(self._evaluate("test"))
        final = {f"final_{name}": value for name, value in (last | test).items()}
        if test and not ends_best:
            shared = self._workers.broadcast_arrays(best_weights)
            self._live.assign(shared, self._ticket.masks)
            test = self._names.recorded(self._evaluate("test"))
        self._warn_of(final | test)
        return Outcome(
            weights=weights,
            best_weights=best_weights,
            best_step=run.best_step,
            last_step=run.step,
            metrics=run.best_metrics | final | test,
            curves=run.curves,
            seconds=self._seconds(),
            next_start=run.next_start,
        )

    def _seconds(self) -> float:
        """Since the training began, without the time while it was stopped."""
        return time.monotonic() - self._started

    def _kept(self, name: str, arrays: State) -> State:
        """What the live model holds now, on disk if there is a checkpoint."""
        if self._checkpoint:
            return self._checkpoint.keep(name, arrays)
        if not self._workers.is_chief:
            return {}
        return {each: np.array(arrays[each]) for each in arrays}

    def _holds(self, weights: Weights) -> bool:
        """Whether the model has these weights now."""
        live = self._live.view_weights()
        return all(np.array_equal(live[path], weights[path]) for path in weights)

    def _check_masked(self) -> None:
        trouble.check_masks(self._live.faults(), self._what, self._run.step)

    def _evaluate(self, name: str, callbacks: Any = None) -> Logs:
        try:
            found = self._passes.evaluate(name, callbacks)
        except self._engine.errors as error:
            if error is not self._heard.error:
                self._explain(error)
            raise
        if name in self._passes.counted:
            first, batches = self._passes.counted[name]
            trouble.check_pass(name, batches, first, self._what, self._run.step)
        return found

    def _check_number(self, name: str, logs: Logs) -> None:
        trouble.check_number(name, logs, self._what, self._run.step)

    def _warn_of(self, logs: Logs) -> None:
        """Warns once of each figure that is NaN or infinite but decides nothing."""
        names = [n for n in logs if n not in self._warned and not is_finite(logs[n])]
        self._warned.update(names)
        if names and self._workers.is_chief:
            warn(
                f"{', '.join(f'`{name}`' for name in names)} became NaN or infinite in "
                f"{self._what} by step {self._run.step:,}. Look at the data of that "
                "figure, and at the metric."
            )
