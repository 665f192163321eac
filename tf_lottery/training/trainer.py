"""The trainer: the only part of a search with a live model.

One compiled model serves all rounds. Masks, weights and optimizer state are
variables, assigned between trainings; nothing is traced again.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tf_lottery._keras import keras
from tf_lottery.core.masks import Masks
from tf_lottery.core.plan import Plan
from tf_lottery.core.records import Outcome, State, Weights
from tf_lottery.core.steps import to_steps
from tf_lottery.core.ticket import Ticket
from tf_lottery.pruning import optimizer as optimizers
from tf_lottery.pruning.layers import skipped_layers
from tf_lottery.pruning.live import Live
from tf_lottery.pruning.restore import describe
from tf_lottery.pruning.wrap import compile_like, wrap
from tf_lottery.training import checks, data, models
from tf_lottery.training.loop import Logs, Loop, callback_list
from tf_lottery.training.run import Checkpoint, Run
from tf_lottery.training.seeds import derive, seeded

Callbacks = Sequence[Any] | Callable[[int, int, str | None], Sequence[Any]]
Report = Callable[[int, Logs], None]


class Trainer:
    """Turns tickets into outcomes by training a copy of a Keras model.

    Args:
        model: A compiled Sequential or functional tf_keras model, which is not
            changed, or a function without arguments that returns one.
        dataset: A batched `tf.data.Dataset`, arrays `(x, y[, sample_weight])`,
            or a function of the seed that returns one of them or a `Data`.
        plan: How to train.
        validation_data: Finds the step of minimum validation loss.
        test_data: Only reported.
        callbacks: Keras callbacks, or a function `(round, replicate, control)`
            that returns them. Their logs hold `round`, also for file names.
        allow_early_stop: Whether a callback may end a training early.

    Raises:
        TypeError, ValueError: What cannot be trained, before anything is.

    Example:
        ```python
        trainer = Trainer(model, (x, y), Plan(rounds=3, epochs=2))
        for round in run_rounds(trainer, trainer.plan):
            print(round.number, round.ticket.density)
        ```
    """

    def __init__(
        self,
        model: Any,
        dataset: Any,
        plan: Plan,
        *,
        validation_data: Any = None,
        test_data: Any = None,
        callbacks: Callbacks = (),
        allow_early_stop: bool = False,
    ) -> None:
        self.plan = plan
        single = isinstance(callbacks, keras.callbacks.Callback)
        self._callbacks: Callbacks = [callbacks] if single else callbacks
        self._allow_early_stop = allow_early_stop
        self._skipped: list[tuple[int, int]] = []
        model = models.called(model, plan.seed)
        checks.check_model(model)
        with seeded(derive(plan.seed, "data")):
            chosen = data.resolve(dataset, validation_data, test_data, plan)
        self.repeatable = data.is_repeatable(chosen.train)
        self._feed = data.feed(chosen.train, plan)
        evaluated = {"validation_data": chosen.validation, "test_data": chosen.test}
        self._validation, self._test = (
            data.evaluation_data(name, part, plan) for name, part in evaluated.items()
        )
        checks.check_batch(self._feed.spec, "dataset")
        model = models.built(model, self._feed.spec, plan.seed)
        self.architecture = describe(model)
        self._compile(model)
        self._check()

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps an epoch."""
        return self._feed.steps_per_epoch

    @property
    def steps(self) -> int:
        """Optimizer steps of a training from the initialisation."""
        return self.plan.steps or self.plan.epochs * self.steps_per_epoch

    @property
    def rewind_step(self) -> int:
        """The step whose state returns after pruning."""
        return to_steps(self.plan.rewind_to, self.steps_per_epoch)

    @property
    def monitors(self) -> list[str]:
        """The scores that could decide; the first is the default."""
        names = self.model.metrics_names
        losses = [name for name in names if name.endswith("loss")]
        ordered = [name for name in names if name not in losses] + losses
        return [f"val_{n}" if self.has_validation else n for n in ordered]

    @property
    def has_validation(self) -> bool:
        """Whether there is validation data, without which no ticket can win."""
        return self._validation is not None

    @property
    def data_spec(self) -> str:
        """What is known of the data before they are read, in words."""
        parts = {
            "train": f"{self._feed.spec}, {self.steps_per_epoch} steps an epoch, "
            f"{self.steps} a training"
        }
        for name in ("validation", "test"):
            dataset = getattr(self, f"_{name}")
            if dataset is not None:
                batches = int(dataset.cardinality())
                parts[name] = f"{dataset.element_spec}, {batches} batches"
        return "; ".join(f"{name}: {part}" for name, part in parts.items())

    @property
    def traces(self) -> int:
        """How often the training step was traced, in all rounds together."""
        return self._loop.traces()

    def dense(self) -> Ticket:
        """The ticket of round 0: every weight kept, at the initialisation."""
        masks, state = Masks.full(self._live.shapes), self._initial
        return Ticket(masks, state, plan=self.plan, architecture=self.architecture)

    def start_from(self, ticket: Ticket) -> None:
        """Makes this the dense ticket, in place of the copy in memory."""
        self._initial = ticket.state

    def train(
        self,
        ticket: Ticket,
        *,
        checkpoint: Checkpoint | None = None,
        report: Report | None = None,
    ) -> Outcome:
        """Trains a ticket from its step to the plan's last, with its masks held.

        Args:
            ticket: What to train.
            checkpoint: Where to continue from, and to write at epochs' ends.
            report: Called with the step and the training metrics.

        Raises:
            FloatingPointError: A loss became NaN.
            RuntimeError: A callback ended the training early, or a pruned weight
                became nonzero.
        """
        found = checkpoint.load() if checkpoint else None
        run, state = found or (Run(ticket.step), ticket.state)
        reached = run.step  # all of them, if only its outcome was not written
        if run.step < self.steps:
            reached = self._feed.pass_start(ticket.step, run.step)
        begun = ticket.step, reached
        with self.model.distribute_strategy.scope():
            self._live.assign(state, ticket.masks)
            self._feed.forward([*self._skipped, begun])
            self._skipped = []
            return self._train(ticket, run, checkpoint, report)

    def skip(self, ticket: Ticket, outcome: Outcome) -> None:
        """Takes note of a training that was done before, for the order of data."""
        self._skipped.append((ticket.step, outcome.last_step))

    def evaluate(self, ticket: Ticket, weights: Weights | None = None) -> Logs:
        """The `val_*` and `test_*` metrics of a ticket.

        Args:
            ticket: What to evaluate.
            weights: Its starting weights, or `ticket.outcome.best_weights`.
        """
        with self.model.distribute_strategy.scope():
            self._live.assign(weights or ticket.weights, ticket.masks)
            validation = self._evaluate("val_", self._validation)
            return validation | self._evaluate("test_", self._test)

    def _compile(self, model: Any) -> None:
        self.model = wrap(model, derive(self.plan.seed, "generators"))
        masks = Masks.full(Live(self.model).shapes)
        checks.check_prunable(masks, model)
        self.plan.rates(masks)
        self.skipped = skipped_layers(self.model)
        optimizer = optimizers.copy(model.optimizer)
        if self.plan.retrain == "fine_tune":
            optimizers.hold_last_rate(optimizer, self.steps)
            self._describe_optimizer(optimizer)
        group = models.group_size(model, self._callbacks)
        compile_like(self.model, model, optimizer=optimizer, steps_per_execution=group)
        self._loop = Loop(self.model, self._feed, group)
        self._live = Live(self.model)
        self._initial = self._live.read()

    def _describe_optimizer(self, optimizer: Any) -> None:
        """Tickets rebuild the model with the optimizer that trains them."""
        described = self.architecture and self.architecture.get("compile_config")
        if described:
            serialized = keras.saving.serialize_keras_object(optimizer)
            described["optimizer"] = serialized

    def _check(self) -> None:
        checks.check_fits(self.model, self._feed.spec, "dataset")
        if self._validation is not None:
            spec = self._validation.element_spec
            checks.check_fits(self.model, spec, "validation_data")
        if self._test is not None:
            checks.check_fits(self.model, self._test.element_spec, "test_data")
        if self.rewind_step >= self.steps:
            raise ValueError(
                f"`rewind_to` must be before the last step of training, {self.steps}. "
                f"Received: rewind_to={self.plan.rewind_to!r}."
            )
        if self.plan.monitor not in (None, *self.monitors):
            raise ValueError(
                f"`monitor` must be one of {', '.join(map(repr, self.monitors))}. "
                f"Received: monitor={self.plan.monitor!r}."
            )

    def _train(
        self,
        ticket: Ticket,
        run: Run,
        checkpoint: Checkpoint | None,
        report: Report | None,
    ) -> Outcome:
        started = time.monotonic() - run.seconds

        def look(step: int, logs: Logs) -> None:
            run.step, run.logs = step, logs
            run.seconds = time.monotonic() - started
            if self._is_rewind_step(ticket, step):
                keep = checkpoint.keep_state if checkpoint else _copied
                run.states[step] = keep(step, self._live.view())
            self._look(ticket, run, logs, callbacks)
            if report:
                report(step, logs)

        callbacks = self._callback_list(ticket, run, checkpoint)
        self.model._train_counter.assign(run.step)
        callbacks.on_train_begin()
        self._loop.run(run.step, self.steps, callbacks, self._next_look, look)
        counted = int(self.model._train_counter.numpy())
        if counted != run.step:
            raise RuntimeError(f"{counted} steps were taken where {run.step} were due.")
        averaged = optimizers.finalize(self.model)
        callbacks.on_train_end()
        if run.step < self.steps and not self._allow_early_stop:
            raise RuntimeError(
                f"A callback stopped the training of round {ticket.round} at step "
                f"{run.step} of {self.steps}. A search trains every ticket for the "
                "same time and finds the best step afterwards. Pass "
                "`allow_early_stop=True` to stop all the same."
            )
        if averaged or run.curves.get("step", [])[-1:] != [run.step]:
            self._validate(ticket, run, dict(run.logs), callbacks)
        return self._outcome(ticket, run)

    def _look(self, ticket: Ticket, run: Run, logs: Logs, callbacks: Any) -> None:
        """What happens between two groups of steps: evaluate, or not yet."""
        _check_number("loss", logs, ticket, run)
        if self._is_validation_step(run.step):
            self._validate(ticket, run, logs, callbacks)
        # An epoch may end between two validation passes: callbacks see the last.
        logs.update({k: v[-1] for k, v in run.curves.items() if k.startswith("val_")})
        logs["round"] = ticket.round

    def _validate(self, ticket: Ticket, run: Run, logs: Logs, callbacks: Any) -> None:
        logs.update(self._evaluate("val_", self._validation, callbacks))
        loss = "val_loss" if self.has_validation else "loss"
        _check_number(loss, logs, ticket, run)
        self._check_masked(ticket, run)
        run.note(logs)
        if run.best_step < 0 or logs[loss] < run.best_loss:
            run.best_weights = {}  # frees the last copy before the next is made
            run.best_weights = self._live.read_weights()
            run.best_step, run.best_loss = run.step, logs[loss]
            run.best_metrics = dict(logs)

    def _outcome(self, ticket: Ticket, run: Run) -> Outcome:
        self._check_masked(ticket, run)
        metrics = dict(run.best_metrics)
        metrics |= {f"final_{k}": v[-1] for k, v in run.curves.items() if k != "step"}
        states = dict(run.states)
        if self.plan.retrain == "fine_tune":
            states[0] = self._live.read()
        weights = self._live.read_weights()
        # Not by the step: a callback may have changed weights since.
        ends_best = all((weights[p] == run.best_weights[p]).all() for p in weights)
        if ends_best:
            weights = run.best_weights
        final = self._evaluate("test_", self._test)
        metrics |= {f"final_{name}": value for name, value in final.items()}
        if final and not ends_best:
            self._live.assign(run.best_weights, ticket.masks)
            final = self._evaluate("test_", self._test)
        return Outcome(
            weights=weights,
            best_weights=run.best_weights,
            best_step=run.best_step,
            last_step=run.step,
            metrics=metrics | final,
            curves=run.curves,
            seconds=run.seconds,
            states=states,
        )

    def _evaluate(self, prefix: str, dataset: Any, callbacks: Any = None) -> Logs:
        if dataset is None:
            return {}
        logs = self._loop.evaluate(dataset, callbacks)
        return {f"{prefix}{name}": value for name, value in logs.items()}

    def _next_look(self, step: int) -> int:
        every = self.plan.evaluate_every or self.steps_per_epoch
        following = (step // every + 1) * every
        return (
            min(following, self.rewind_step) if step < self.rewind_step else following
        )

    def _is_rewind_step(self, ticket: Ticket, step: int) -> bool:
        rewinds = self.plan.retrain == "rewind"
        return rewinds and ticket.step < self.rewind_step == step

    def _is_validation_step(self, step: int) -> bool:
        every = self.plan.evaluate_every or self.steps_per_epoch
        return step % every == 0 or step == self.steps or self.model.stop_training

    def _check_masked(self, ticket: Ticket, run: Run) -> None:
        leaks = self._live.leaking()
        if leaks:
            raise RuntimeError(
                f"Pruned weights of {', '.join(map(repr, leaks))} became nonzero in "
                f"round {ticket.round} by step {run.step}. Does a custom train step or "
                "a callback change weights without the model's optimizer?"
            )

    def _callback_list(
        self, ticket: Ticket, run: Run, checkpoint: Checkpoint | None
    ) -> Any:
        chosen = self._callbacks
        callbacks = list(chosen(ticket.round, 0, None) if callable(chosen) else chosen)
        if checkpoint:
            callbacks.append(_WriteCheckpoint(checkpoint, run, self._live))
        epochs = -(-self.steps // self.steps_per_epoch)
        return callback_list(callbacks, self.model, epochs, self.steps_per_epoch)


class _WriteCheckpoint(keras.callbacks.Callback):
    """Comes last, so that what other callbacks change at an epoch's end is kept."""

    def __init__(self, checkpoint: Checkpoint, run: Run, live: Live) -> None:
        super().__init__()
        self._checkpoint, self._run, self._live = checkpoint, run, live

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._checkpoint.save(self._run, self._live)


def _copied(step: int, state: State) -> State:
    return {name: np.array(state[name]) for name in state}


def _check_number(name: str, logs: Logs, ticket: Ticket, run: Run) -> None:
    if np.isnan(logs[name]):
        raise FloatingPointError(
            f"`{name}` became NaN in round {ticket.round} by step {run.step}. Lower "
            "the learning rate, or look at the data. A run directory keeps the rounds "
            "that are finished."
        )
