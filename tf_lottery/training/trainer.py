"""The trainer: the only part of a search with a live model.

One compiled model serves all rounds. Masks, weights and optimizer state are
variables, assigned between trainings; nothing is traced again.
"""

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

from tf_lottery import bindings
from tf_lottery.bindings.parts import Logs
from tf_lottery.core.masks import Masks
from tf_lottery.core.one_argument import data_are_one_argument
from tf_lottery.core.outcome import Outcome, State, Weights
from tf_lottery.core.plan import Plan
from tf_lottery.core.seeds import derive
from tf_lottery.core.steps import Lengths
from tf_lottery.core.ticket import FoundTicket, Ticket
from tf_lottery.training.checkpoint import Checkpoint, Run
from tf_lottery.training.data import Given, SeededData
from tf_lottery.training.one_training import OneTraining, Report
from tf_lottery.training.prepared import Callbacks, Notes, Prepared
from tf_lottery.training.reinitialise import Source
from tf_lottery.training.session import Session
from tf_lottery.training.side_by_side import SideBySide
from tf_lottery.training.workers import Workers


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
        side_by_side: Runs trainings of the replicates and controls in one program.
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
        if not isinstance(plan, Plan):
            raise TypeError(
                f"`plan` must be a tf_lottery.Plan. Received: {type(plan).__name__}."
            )
        binding, original, asked = bindings.binding_and_model(
            model, plan.seed, strategy
        )
        callbacks = binding.checked_callbacks(callbacks)
        binding.check_model(original)
        devices = binding.devices(asked, original)
        parts = dataset, validation_data, test_data, class_weight, validation_split
        data = SeededData(Given(binding, *parts), plan, devices)
        if not callable(callbacks):
            binding.check_use_no_other(callbacks, original)
        built = binding.built(original, data.feed, plan.seed)
        searched = binding.searched(built, data, plan, devices, callbacks)
        self.model = searched.engine.model
        self.devices, self.workers = devices, Workers(devices.processes)
        self.spent: list[int] = []
        self._initial = searched.live.read()
        self._prepared = Prepared(
            binding,
            devices,
            self.workers,
            original,
            callbacks,
            Source(binding, model, built, data.feed, asked),
            searched,
            data,
            self._initial,
            allow_early_stop,
        )
        self._session = Session(self._prepared, plan, data)
        self._session.check()
        self.side_by_side = SideBySide(self._prepared, self._session)
        self.side_by_side.check()
        if plan.replicates > 1:
            self._prepared.source.check(self._initial)

    @property
    def plan(self) -> Plan:
        """How to train: the plan of the replicate."""
        return self._session.plan

    @property
    def lengths(self) -> Lengths:
        """The steps of an epoch, of a training, and where later tickets start."""
        return self._session.lengths

    @property
    def monitors(self) -> list[str]:
        """The scores that could decide; the first is the default."""
        return self._session.monitors

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
            "first_batches": self._session.data.first_digests,
            "devices": self.devices.in_words(),
            "packages": self._prepared.binding.PACKAGES,
            "unknown": searched.unknown,
            "repeats": self._session.data.feed.repeatable and self.devices.on_cpu,
        }

    @property
    def notes(self) -> Notes:
        """What a user should know before the search."""
        return self._prepared.notes(self._session.data, self.plan)

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
        self._order("train", control=control, **where)
        with self.workers.training():
            outcome = self._train(ticket, run, state, control, checkpoint, report)
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
        self._order("evaluate")
        with self.workers.training():
            return self._evaluate(ticket, weights or ticket.weights)

    def draw(self, seed: int) -> State:
        """A fresh initial state of the model, as its initialisers draw it."""
        self._order("draw", seed=seed)
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
        other._session.check()
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
        """On workers other than the chief, does what the chief says until its end.

        Returns the file of the chief's ticket.
        """
        trainer = self
        while (order := self.workers.broadcast_json())["task"] != "end":
            if order["task"] == "stop":
                raise RuntimeError(f"The chief stopped: {order['why']}")
            plan = Plan.from_json(order["plan"])
            session = trainer._session.with_plan(plan, order["replicate"])
            trainer = trainer._with(session)
            trainer._obey(order)
        return self.workers.broadcast()

    def _with(self, session: Session) -> "Trainer":
        other = copy.copy(self)
        other._session = session
        other.side_by_side = SideBySide(self._prepared, session)
        return other

    def _order(self, task: str, **more: Any) -> None:
        """Orders the other workers to do a task next."""
        which = {"plan": self.plan.to_json(), "replicate": self._session.replicate}
        self.workers.broadcast_json({"task": task, **which, **more})

    def _obey(self, order: Mapping[str, Any]) -> None:
        ticket = Ticket(Masks({}), {}, plan=self.plan)
        if order["task"] == "draw":
            self._prepared.source.drawn(order["seed"], self._prepared.initial)
        elif order["task"] == "evaluate":
            self._evaluate(ticket, {})
        else:
            where = {name: order[name] for name in ("round", "step")}
            ticket = dataclasses.replace(ticket, **where)
            self._train(ticket, Run.of_record(order["run"]), {}, order["control"])

    # What all workers do together, with the masks and weights of the chief.

    def _train(
        self,
        ticket: Ticket,
        run: Run,
        state: State,
        control: str | None,
        checkpoint: Checkpoint | None = None,
        report: Report | None = None,
    ) -> Outcome:
        """Trains a ticket from where a run stands."""
        ticket = self._assign(ticket, state)
        session = self._session
        training = OneTraining(session, ticket, run, control, checkpoint, report)
        with self.devices.scope():
            return training.train()

    def _evaluate(self, ticket: Ticket, weights: Weights) -> Logs:
        """The `val_*` and `test_*` metrics of a ticket with some weights."""
        self._assign(ticket, weights)
        passes, engine = self._session.passes, self._prepared.searched.engine
        with self.devices.scope():
            found = passes.evaluate("val") | passes.evaluate("test")
        return engine.names.recorded(found)

    def _assign(self, ticket: Ticket, state: State) -> Ticket:
        """Gives all workers the chief's masks and state; returns their ticket."""
        workers, live = self.workers, self._prepared.searched.live
        masks = ticket.masks
        if workers.count > 1:
            masks = Masks(workers.broadcast_arrays(masks))
        with self.devices.scope():
            live.assign(workers.broadcast_arrays(state), masks)
        workers.check_masks(live.replica_masks(), masks)
        return dataclasses.replace(ticket, masks=masks)
