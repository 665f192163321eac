"""The trainer: the only part of a search with a live model.

One compiled model serves all rounds. Masks, weights and optimizer state are
variables, assigned between trainings; nothing is traced again.
"""

import copy
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tf_lottery.bindings.tf_keras import comparable, devices, models
from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.bindings.tf_keras.callbacks import (
    check_callbacks,
    check_use_no_other,
    warn_of_lost_counts,
)
from tf_lottery.bindings.tf_keras.checks import model as checks
from tf_lottery.bindings.tf_keras.checks.data import (
    check_batch,
    check_evaluate,
    check_logs,
    check_loss,
    has_own,
)
from tf_lottery.bindings.tf_keras.copying import proof
from tf_lottery.bindings.tf_keras.copying.fixed import fixed_values
from tf_lottery.bindings.tf_keras.data import arrays, feeding
from tf_lottery.bindings.tf_keras.data.given import Data, Given
from tf_lottery.bindings.tf_keras.data.repeatable import is_repeatable
from tf_lottery.bindings.tf_keras.live import Live
from tf_lottery.bindings.tf_keras.rebuilding import file_alone
from tf_lottery.bindings.tf_keras.searched import searched
from tf_lottery.bindings.tf_keras.tfmot.wrap import compiled_copy
from tf_lottery.core.masks import Masks
from tf_lottery.core.one_argument import data_are_one_argument
from tf_lottery.core.outcome import Outcome, State, Weights
from tf_lottery.core.plan import Plan
from tf_lottery.core.seeds import derive
from tf_lottery.core.ticket import Ticket
from tf_lottery.training.checkpoint import Checkpoint, Run
from tf_lottery.training.data_order import Stream
from tf_lottery.training.loop import Logs, Loop
from tf_lottery.training.one_training import Fit, Report
from tf_lottery.training.reinitialise import Source
from tf_lottery.training.workers import Workers

Callbacks = Sequence[Any] | Callable[[int, int, str | None], Sequence[Any] | None]


class Trainer:
    """Turns tickets into outcomes by training a copy of a Keras model.

    Args:
        model: A compiled Sequential or functional tf_keras model, which is not
            changed, or a function without arguments that returns one.
        dataset: See `find_ticket`.
        plan: How to train.
        validation_data: Finds the step of minimum validation loss.
        test_data: Only reported.
        class_weight, validation_split: As in Keras `fit`.
        callbacks: Keras callbacks, or a function `(round, replicate, control)`
            that returns them. Their logs hold `round`, also for file names.
        allow_early_stop: Whether a callback may end a training early.
        strategy: A `tf.distribute.Strategy`, "mirrored", "multiworker" or "tpu";
            default: the one that the model was built in.

    Raises:
        TypeError, ValueError: What cannot be trained, before anything is.

    Example:
        ```python
        trainer = Trainer(model, (x, y), Plan(rounds=3, epochs=2))
        for round in run_rounds(trainer, trainer.plan):
            print(round.number, round.ticket.density)
        ```
    """

    @data_are_one_argument
    def __init__(
        self,
        model: Any,
        dataset: Any,
        plan: Plan,
        *,
        validation_data: Any = None,
        test_data: Any = None,
        class_weight: Mapping[int, float] | None = None,
        validation_split: float | None = None,
        callbacks: Callbacks | None = (),
        allow_early_stop: bool = False,
        strategy: Any = None,
    ) -> None:
        checks.check_is_plan(plan)
        self.plan = self._plan = plan  # of this replicate, and of the search
        self._callbacks = callbacks if callable(callbacks) else _listed(callbacks)
        check_callbacks(self._callbacks)
        self._allow_early_stop = allow_early_stop
        self.number = 0
        self.trained: list[int] = []
        checks.check_keras(model)
        if strategy is not None:
            strategy = devices.resolve(strategy, model)
        given, model = model, models.called(model, plan.seed, strategy)
        checks.check_model(model)
        checks.warn_if_trained(model, plan)
        self.strategy = devices.resolve(strategy, model)
        self.workers = Workers(self.strategy)
        static = devices.needs_static_shapes(self.strategy)
        evaluated = validation_data, test_data
        parts = Given(dataset, *evaluated, class_weight, validation_split)
        stream = Stream(parts, plan, static)
        self.repeatable = is_repeatable(stream.data.train)
        self.data_note = stream.note
        self.auto_shard_policies = feeding.auto_shard_policies(stream.data)
        self.data_facts = stream.facts
        check_batch(stream.feed.example_spec, "dataset")
        spec = arrays.unpacked(stream.feed.example_spec)
        self._passed = [model]
        if not callable(self._callbacks):
            check_use_no_other(self._callbacks, self._passed)
        model = models.built(model, spec, plan.seed)
        self._source = Source(given, model, spec, strategy)
        self._compile(model, stream)
        self._trace_and_check(model)
        self.unknown = comparable.unknown(
            self.model, self.architecture, self._callbacks, dataset, stream.data.train
        )

    @property
    def data(self) -> Data:
        """The data of the plan's seed."""
        return self._stream.data

    @functools.cached_property
    def file_lacks(self) -> str:
        """Why no model can be made of a ticket's file alone; empty if one can."""
        return file_alone.lacks(self.dense(), self.plan.seed)

    @functools.cached_property
    def origin(self) -> Any:
        """A copy of the model where no file is enough to make it; else None."""
        return compiled_copy(self._source.model) if self.file_lacks else None

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps an epoch."""
        return self._stream.feed.steps_per_epoch

    @property
    def steps(self) -> int:
        """Optimizer steps of a training from the initialisation."""
        return self.plan.last_step(self.steps_per_epoch)

    @property
    def rewind_step(self) -> int:
        """The step whose state returns after pruning."""
        return self.plan.rewind_step(self.steps_per_epoch)

    @property
    def monitors(self) -> list[str]:
        """The scores that could decide; the first is the default."""
        names, model = self.model.metrics_names, self.model
        compiled = {metric.name for metric in model.compiled_metrics.metrics}
        losses = [name for name in names if name.endswith("loss")]
        # What a model adds by `add_metric` may be of any direction.
        ordered = [name for name in names if name in compiled and name not in losses]
        ordered += losses
        ordered += [name for name in [*names, "loss"] if name not in ordered]
        recorded = self._loop.names.recorded(dict.fromkeys(ordered))
        return [f"val_{n}" if self.has_validation else n for n in recorded]

    @property
    def has_validation(self) -> bool:
        """Whether there is validation data, without which no ticket can win."""
        return "val" in self._stream.evaluated

    @property
    def replays(self) -> bool:
        """Whether a training that is done again gives the same bits."""
        return self.repeatable and devices.on_cpu(self.strategy)

    @property
    def passes(self) -> int:
        """How many passes over the data came before, if their order depends on it."""
        return self._stream.passes

    @property
    def traces(self) -> int:
        """How often the training step was traced, in all rounds together."""
        return self._loop.traces()

    def replicate(self, number: int) -> "Trainer":
        """The trainer of a replicate: the same compiled model, another seed.

        Raises:
            ValueError: Data or a model that differ in more than their values.
        """
        if number == self.number:
            return self
        other = self.following(self._plan.of_replicate(number))
        other.number, other._initial = number, other.draw(other.plan.seed)
        return other

    def reordered(self, number: int) -> "Trainer":
        """The trainer of a copy: the same model, its data in another order.

        Equal numbers give equal orders. A `tf.data.Dataset` that was passed as it
        is has an order of its own each time that it is read, if it shuffles.
        """
        seed = derive(self.plan.seed, "copy", number)
        plan = dataclasses.replace(self.plan, seed=seed, rewind_to=0)
        other = copy.copy(self)
        other.plan, other._stream = plan, self._stream.reordered(plan)
        other._loop = self._loop.on(other._stream.feed, other._stream.evaluated)
        return other

    def replay(self, ticket: Ticket, step: int, outcome: Outcome) -> State:
        """The state at a step of a training that was done before.

        Its first steps are done again, which give the same bits on a CPU, with
        data that repeat.
        """
        state = self.state_at(ticket, step)
        length = self._stream.feed.pass_length or 1
        rest = -(-step // length) * length  # of the passes, these were not opened
        self._stream.skip((rest, outcome.last_step))
        return state

    def state_at(self, ticket: Ticket, step: int) -> State:
        """The state after training a ticket to a step before the last."""
        if step == ticket.step:
            return ticket.state
        plan = dataclasses.replace(
            self.plan,
            steps=step,
            epochs=1,
            evaluate_every=step,
            rewind_to=step,
            retrain="rewind",
        )
        start = self.following(plan).train(ticket).next_start
        assert start is not None
        return start[1]

    def draw(self, seed: int) -> State:
        """A fresh initial state of the model, as its initialisers draw it."""
        self.workers.share_json({"task": "draw", "seed": seed})
        return self._source.state(seed, self._initial)

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
        control: str | None = None,
        checkpoint: Checkpoint | None = None,
        report: Report | None = None,
    ) -> Outcome:
        """Trains a ticket from its step to the plan's last, with its masks held.

        Args:
            ticket: What to train.
            control: What was changed about it, for callbacks and messages.
            checkpoint: Where to continue from, and to write at epochs' ends.
            report: Called with the step and the training metrics.

        Raises:
            FloatingPointError: A loss became NaN.
            RuntimeError: A callback ended the training early, or a pruned weight
                became nonzero.
        """
        found = checkpoint.load() if checkpoint else None
        run, state = found or (Run(ticket.step), ticket.state)
        done = run.step  # all of it, if only its outcome was not written
        if run.step < self.steps:
            done = self._stream.feed.pass_start(ticket.step, run.step)
        skipped = self._stream.missed(ticket.step, done)
        facts = {"round": ticket.round, "step": ticket.step, "run": run.record()}
        facts |= {"plan": self.plan.to_json(), "replicate": self.number}
        facts["control"] = control
        self.workers.share_json({"task": "train", "skipped": skipped, **facts})
        with self.workers.training():
            self._assign(ticket, state)
            outcome = self._fit(ticket, run, skipped, control, checkpoint, report)
        self._stream.read((ticket.step, outcome.last_step))
        self.trained.append(outcome.last_step - ticket.step)
        return outcome

    def follow(self) -> bytes:
        """Trains what the chief says, on the other workers of a strategy.

        Returns:
            What the chief shares at the end: the file of its ticket.

        Raises:
            RuntimeError: The chief ended with an error.
        """
        trainer = self
        while (order := self.workers.share_json())["task"] != "end":
            if order["task"] == "stop":
                raise RuntimeError(f"The chief stopped: {order['why']}")
            if order["task"] == "draw":
                self._source.drawn(order["seed"], self._initial)
                continue
            trainer = trainer.following(Plan.from_json(order["plan"]))
            trainer.number = order["replicate"]
            ticket = Ticket(Masks({}), {})
            if order["task"] == "evaluate":
                trainer._evaluate(ticket, {})
                continue
            ticket = dataclasses.replace(
                ticket, round=order["round"], step=order["step"], plan=trainer.plan
            )
            ticket = trainer._assign(ticket, {})
            run = Run.of_record(order["run"])
            trainer._fit(ticket, run, order["skipped"], order["control"])
        return self.workers.share()

    def skip(self, ticket: Ticket, outcome: Outcome) -> None:
        """Takes note of a training that was done before, for the order of data."""
        self._stream.skip((ticket.step, outcome.last_step))

    def evaluate(self, ticket: Ticket, weights: Weights | None = None) -> Logs:
        """The `val_*` and `test_*` metrics of a ticket.

        Args:
            ticket: What to evaluate.
            weights: Its starting weights, or `ticket.outcome.best_weights`.
        """
        order = {"plan": self.plan.to_json(), "replicate": self.number}
        self.workers.share_json({"task": "evaluate", **order})
        with self.workers.training():
            return self._evaluate(ticket, weights or ticket.weights)

    def _evaluate(self, ticket: Ticket, weights: Weights) -> Logs:
        self._assign(ticket, weights)
        with self.strategy.scope():
            found = self._loop.evaluate("val") | self._loop.evaluate("test")
            return self._loop.names.recorded(found)

    def _assign(self, ticket: Ticket, state: State) -> Ticket:
        """Gives all workers the chief's masks and state; returns their ticket."""
        masks = ticket.masks
        if self.workers.count > 1:
            masks = Masks(self.workers.share_arrays(masks))
        with self.strategy.scope():
            self._live.assign(self.workers.share_arrays(state), masks)
        self.workers.check_masks(self._live.replica_masks(), masks)
        return dataclasses.replace(ticket, masks=masks)

    def _fit(
        self,
        ticket: Ticket,
        run: Run,
        skipped: Sequence[tuple[int, int]],
        control: str | None = None,
        checkpoint: Checkpoint | None = None,
        report: Report | None = None,
    ) -> Outcome:
        fit = Fit(
            ticket,
            run,
            self.plan,
            self._loop,
            self._live,
            self.workers,
            checkpoint,
            self.plan.monitor or self.monitors[0],
            control,
            self.number if self._plan.replicates > 1 else None,
        )
        with self.strategy.scope():
            self._stream.feed.forward(skipped)
            callbacks = self._callbacks_of(ticket.round, control)
            if checkpoint and ticket.step < run.step < self.steps:
                warn_of_lost_counts(callbacks, checkpoint)
            return fit.train(callbacks, report, self._allow_early_stop)

    def searching(self, plan: Plan) -> "Trainer":
        """The trainer of another search with the same compiled model.

        Args:
            plan: Its seed, batch size, and whether it fine-tunes must be those of this
                one's.

        Raises:
            ValueError: A plan that cannot work with the model and the data.
        """
        other = self.following(plan, anew=True)
        other._plan = plan
        plan.rates(other._live.shapes)
        checks.check_plan(plan, other.steps_per_epoch, other.monitors)
        return other

    def following(self, plan: Plan, *, anew: bool = False) -> "Trainer":
        """The trainer of another plan for the same compiled model.

        Args:
            plan: Its length, seed and `rewind_to` may differ.
            anew: Whether its data begin anew; always so for another seed.
        """
        other = copy.copy(self)
        other.plan = plan
        if plan.seed != self.plan.seed or anew:
            other._stream = self._stream.of(plan)
            other._loop = self._loop.on(other._stream.feed, other._stream.evaluated)
        return other

    def _compile(self, model: Any, stream: Stream) -> None:
        last_step = self.plan.last_step(stream.feed.steps_per_epoch)
        how = self._callbacks, stream.inputs()
        found = searched(model, self.plan, self.strategy, last_step, *how)
        self.model, self.architecture = found.model, found.architecture
        self.values = fixed_values(model)
        self.skipped, self._stream = found.skipped, stream
        groups = found.group, found.given
        self._loop = Loop(self.model, stream.feed, stream.evaluated, *groups)
        self._live = Live(self.model)
        self._initial = self._live.read()

    def _trace_and_check(self, model: Any) -> None:
        # A step of the user makes its metrics when it is traced, see `check_fits`.
        own_step, have_traced = has_own(self.model, "train_step"), False
        traced: list[Any] = []
        if not own_step:
            self._check()
        # Keras' own code reaches no variable of the model that was passed.
        if comparable.own_code(self.model, self.architecture):
            try:
                traced = list(self._loop.traced())
            except Exception:
                self._check()  # says more than Keras does
                raise
            have_traced = len(traced) == 1 + len(self._stream.evaluated)
        if own_step:
            self._check(have_traced)
        if have_traced:
            check_logs([step.structured_outputs for step in traced])
        for step in traced:
            known = self._live.known(self.model)
            proof.check_captures(step, model, known, self.model)

    def _check(self, have_traced: bool = False) -> None:
        self._stream.check(self.model, have_traced)
        if self._stream.evaluated:
            check_evaluate(self.model)
        if self.has_validation:
            check_loss(self.model)
        checks.check_plan(self.plan, self.steps_per_epoch, self.monitors)
        if self.plan.replicates > 1:
            self._source.check(self._initial)

    def _callbacks_of(self, round: int, control: str | None) -> list[Any]:
        if not callable(self._callbacks):
            return self._callbacks
        chosen = _listed(self._callbacks(round, self.number, control))
        check_use_no_other(chosen, self._passed)
        return chosen


def _listed(callbacks: Any) -> list[Any]:
    """Callbacks as a list: one needs none, None means none."""
    single = isinstance(callbacks, keras.callbacks.Callback)
    return [callbacks] if single else list(callbacks or ())
