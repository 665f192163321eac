"""What every worker of a search does with the live model: hold, train, evaluate."""

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

from tf_lottery.bindings.parts import Logs
from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import Outcome, State, Weights
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import Ticket
from tf_lottery.training.checkpoint import Checkpoint, Run
from tf_lottery.training.data import SeededData
from tf_lottery.training.loop import Loop
from tf_lottery.training.one_training import OneTraining, Report
from tf_lottery.training.prepared import Prepared


class Session:
    """A prepared model with the plan of a replicate and the data of its seed.

    The chief decides and sends masks and weights; all workers take part in what each
    method does.
    """

    def __init__(
        self, prepared: Prepared, plan: Plan, data: SeededData, replicate: int = 0
    ) -> None:
        self.prepared = prepared
        self.plan = plan
        self.data = data
        self.replicate = replicate
        self.loop = Loop(prepared.searched.engine, data.feed, data.evaluated)

    def with_plan(self, plan: Plan, replicate: int = 0) -> "Session":
        """The session of another plan; its length, seed and `rewind_to` may differ."""
        if plan.seed != self.plan.seed:
            return Session(self.prepared, plan, self.data.of(plan), replicate)
        other = copy.copy(self)
        other.plan, other.replicate = plan, replicate
        return other

    def assign(self, ticket: Ticket, state: State) -> Ticket:
        """Gives all workers the chief's masks and state; returns their ticket."""
        workers, live = self.prepared.workers, self.prepared.searched.live
        masks = ticket.masks
        if workers.count > 1:
            masks = Masks(workers.broadcast_arrays(masks))
        with self.prepared.devices.scope():
            live.assign(workers.broadcast_arrays(state), masks)
        workers.check_masks(live.replica_masks(), masks)
        return dataclasses.replace(ticket, masks=masks)

    def evaluate(self, ticket: Ticket, weights: Weights) -> Logs:
        """The `val_*` and `test_*` metrics of a ticket with some weights."""
        self.assign(ticket, weights)
        with self.prepared.devices.scope():
            found = self.loop.evaluate("val") | self.loop.evaluate("test")
        return self.loop.engine.names.recorded(found)

    def train(
        self,
        ticket: Ticket,
        run: Run,
        state: State,
        control: str | None = None,
        checkpoint: Checkpoint | None = None,
        report: Report | None = None,
    ) -> Outcome:
        """Trains a ticket from where a run stands; see `Trainer.train`."""
        prepared = self.prepared
        ticket = self.assign(ticket, state)
        training = OneTraining(self, ticket, run, control, checkpoint, report)
        last_step = self.plan.last_step(self.data.feed.steps_per_epoch)
        with prepared.devices.scope():
            callbacks = prepared.callbacks_of(ticket.round, self.replicate, control)
            if checkpoint and ticket.step < run.step < last_step:
                file = checkpoint.path
                prepared.binding.warn_of_lost_counts(callbacks, run.step, file)
            return training.train(callbacks)

    def order(self, task: str, **more: Any) -> None:
        """Orders the other workers to do a task next."""
        which = {"plan": self.plan.to_json(), "replicate": self.replicate}
        self.prepared.workers.broadcast_json({"task": task, **which, **more})

    def follow(self) -> bytes:
        """Does what the chief says until the chief ends; returns its ticket's file."""
        workers, session = self.prepared.workers, self
        while (order := workers.broadcast_json())["task"] != "end":
            if order["task"] == "stop":
                raise RuntimeError(f"The chief stopped: {order['why']}")
            plan = Plan.from_json(order["plan"])
            session = session.with_plan(plan, order["replicate"])
            session._do(order)
        return workers.broadcast()

    def _do(self, order: Mapping[str, Any]) -> None:
        ticket = Ticket(Masks({}), {}, plan=self.plan)
        if order["task"] == "draw":
            self.prepared.source.drawn(order["seed"], self.prepared.initial)
        elif order["task"] == "evaluate":
            self.evaluate(ticket, {})
        else:
            where = {name: order[name] for name in ("round", "step")}
            ticket = dataclasses.replace(ticket, **where)
            self.train(ticket, Run.of_record(order["run"]), {}, order["control"])
