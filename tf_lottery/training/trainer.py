"""The trainer: the only part of a search with a live model.

One compiled model serves all rounds. Masks, weights and optimizer state are
variables, assigned between trainings; nothing is traced again.
"""

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

from tf_lottery.bindings.parts import Logs
from tf_lottery.core.one_argument import data_are_one_argument
from tf_lottery.core.outcome import Outcome, State, Weights
from tf_lottery.core.plan import Plan
from tf_lottery.core.seeds import derive
from tf_lottery.core.steps import Lengths
from tf_lottery.core.ticket import FoundTicket, Ticket
from tf_lottery.training.checkpoint import Checkpoint, Run
from tf_lottery.training.one_training import Report
from tf_lottery.training.prepared import Callbacks, Notes, prepare
from tf_lottery.training.session import Session


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

    Attributes:
        model: The live model, a masked copy of the model that was passed.
        devices: What trains.
        workers: The processes that train together.
        spent: The optimizer steps of each finished training, in order. Trainers that
            `with_plan` and `reordered` return share this list: it counts the trainings
            of one compiled model.

    Raises:
        TypeError, ValueError: What cannot be trained, before the first training.

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
        callbacks: Callbacks = (),
        allow_early_stop: bool = False,
        strategy: Any = None,
    ) -> None:
        self._prepared = prepared = prepare(
            model,
            dataset,
            plan,
            validation_data=validation_data,
            test_data=test_data,
            class_weight=class_weight,
            validation_split=validation_split,
            callbacks=callbacks,
            allow_early_stop=allow_early_stop,
            strategy=strategy,
        )
        self._session = Session(prepared, plan, prepared.data)
        self._initial = prepared.initial
        self.model = prepared.searched.engine.model
        self.devices, self.workers = prepared.devices, prepared.workers
        self.spent: list[int] = []

    @property
    def plan(self) -> Plan:
        """How to train: the plan of the replicate."""
        return self._session.plan

    @property
    def lengths(self) -> Lengths:
        """The steps of an epoch, of a training, and where later tickets start."""
        return self.plan.lengths(self._session.data.feed.steps_per_epoch)

    @property
    def monitors(self) -> list[str]:
        """The scores that could decide; the first is the default."""
        return self._session.data.monitors(self._prepared.searched.engine)

    @property
    def traces(self) -> int:
        """How often the training step was traced, in all trainings together."""
        return self._prepared.searched.engine.traces

    @property
    def facts(self) -> dict[str, Any]:
        """What identifies model, compilation, data and devices, see `manifest`.

        "unknown" says why trainings cannot be compared with those of another search;
        "repeats" whether the same training gives the same bits again.
        """
        searched = self._prepared.searched
        return {
            "architecture": searched.architecture,
            "values": searched.values,
            "data": self._session.data.facts,
            "devices": self.devices.in_words(),
            "packages": self._prepared.binding.PACKAGES,
            "unknown": searched.unknown,
            "repeats": self._session.data.feed.repeatable and self.devices.on_cpu,
        }

    @property
    def notes(self) -> Notes:
        """What a user should know before the search."""
        return self._prepared.notes(self._session.data)

    def dense(self, start: State | None = None) -> Ticket:
        """The ticket of round 0: every weight kept, at the initialisation, or `start`.

        A `start` takes the place of the initial state, now and later.
        """
        self._initial = self._initial if start is None else start
        return self._prepared.dense(self.plan, self._initial)

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

        Raises: See `OneTraining.train`.
        """
        found = checkpoint.load() if checkpoint else None
        run, state = found or (Run(ticket.step), ticket.state)
        where = {"round": ticket.round, "step": ticket.step, "run": run.record()}
        self._session.order("train", control=control, **where)
        how = control, checkpoint, report
        with self.workers.training():
            outcome = self._session.train(ticket, run, state, *how)
        self.spent.append(outcome.last_step - ticket.step)
        return outcome

    def state_at(self, ticket: Ticket, step: int) -> State:
        """The state after training a ticket to a step before the last."""
        if step == ticket.step:
            return ticket.state
        until: dict[str, Any] = {"epochs": 1, "retrain": "rewind"}
        until |= dict.fromkeys(("steps", "evaluate_every", "rewind_to"), step)
        plan = dataclasses.replace(self.plan, **until)
        session = self._session.with_plan(plan, self._session.replicate)
        start = self._with(session).train(ticket).next_start
        assert start is not None
        return start[1]

    def evaluate(self, ticket: Ticket, weights: Weights | None = None) -> Logs:
        """The `val_*` and `test_*` metrics of a ticket.

        Args:
            weights: Default: its starting weights; or `ticket.outcome.best_weights`.
        """
        self._session.order("evaluate")
        with self.workers.training():
            return self._session.evaluate(ticket, weights or ticket.weights)

    def draw(self, seed: int) -> State:
        """A fresh initial state of the model, as its initialisers draw it."""
        self._session.order("draw", seed=seed)
        return self._prepared.source.state(seed, self._initial)

    def with_plan(self, plan: Plan, replicate: int = 0) -> "Trainer":
        """The trainer of another plan, with the same compiled model.

        Args:
            plan: Of a replicate, with another seed; or of another search, with the
                batch size of this one, which must fine-tune if this one does.
            replicate: The number of the replicate.

        Raises:
            ValueError: A plan that cannot work, or data or a model of another seed that
                differ in more than their values.
        """
        other = self._with(self._session.with_plan(plan, replicate))
        plan.rates(self._prepared.searched.live.shapes)
        self._prepared.check(plan, other._session.data)
        if plan.seed != self.plan.seed:
            other._initial = other.draw(plan.seed)
        return other

    def reordered(self, number: int, ticket: Ticket) -> tuple["Trainer", Ticket]:
        """A copy of a ticket, and its trainer: the same data in another order.

        Equal numbers give equal orders.
        """
        seed = derive(self.plan.seed, "copy", number)
        plan = dataclasses.replace(self.plan, seed=seed, rewind_to=0)
        data, replicate = self._session.data.reordered(plan), self._session.replicate
        other = self._with(Session(self._prepared, plan, data, replicate))
        state = self._prepared.source.with_generators(ticket.state, seed)
        return other, dataclasses.replace(ticket, state=state)

    def completed(self, ticket: FoundTicket) -> FoundTicket:
        """Adds its data to the ticket of a search, and its model if no file has it."""
        of = {"data": self._session.data.data, "origin": self._prepared.origin}
        return dataclasses.replace(ticket, **of)

    def follow(self) -> bytes:
        """On workers other than the chief, does what the chief says until its end."""
        return self._session.follow()

    def _with(self, session: Session) -> "Trainer":
        other = copy.copy(self)
        other._session = session
        return other
