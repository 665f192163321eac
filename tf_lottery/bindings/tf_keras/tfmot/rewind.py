"""The rewind: a Keras callback that decides masks and goes back to earlier weights."""

from typing import Any

from tf_lottery.bindings.tf_keras._imports import sparsity
from tf_lottery.bindings.tf_keras.live import Live
from tf_lottery.bindings.tf_keras.tfmot.schedule import LotterySchedule
from tf_lottery.core.masks import Masks
from tf_lottery.core.next_ticket import exhausted, prune_ticket
from tf_lottery.core.outcome import Outcome
from tf_lottery.core.steps import Length, check_length, to_steps
from tf_lottery.core.ticket import Ticket
from tf_lottery.core.words import warn


class RewindWeights(sparsity.UpdatePruningStep):
    """Prunes and rewinds after each round of a `LotterySchedule`.

    For one stock `fit` of a model from tfmot's `prune_low_magnitude`. Before the
    next round's first step, after the validation pass of an epoch that ends there,
    the masks are decided from the trained weights; then weights, statistics,
    optimizer and learning rate return to step `rewind_to`, and training continues.
    After the last round the last ticket is trained until `fit` ends. Between two
    steps tfmot leaves pruned weights nonzero; `find_ticket` does not.

    Args:
        schedule: The schedule that the model was wrapped with.
        rewind_to: The step whose state returns, counted from the first step of
            `fit`: a number, "500it" or "2ep"; no later than the first pruning.

    Attributes:
        tickets: The tickets so far; `tickets[n]` was pruned n times.

    Raises:
        ValueError: When training begins, if `steps_per_execution` hides a step
            at which this callback has to act.
    """

    def __init__(self, schedule: LotterySchedule, rewind_to: Length = 0) -> None:
        super().__init__()
        check_length("rewind_to", rewind_to)
        self.schedule = schedule
        self.rewind_to = rewind_to
        self.tickets: list[Ticket] = []

    def on_train_begin(self, logs: Any = None) -> None:
        super().on_train_begin(logs)
        self._schedules = self._matching_schedules()
        if hasattr(self.model.optimizer, "build"):
            self.model.optimizer.build(self.model.trainable_variables)
        else:
            self.model.optimizer._create_all_weights(self.model.trainable_variables)
        self._live = Live(self.model)
        self._step = self._rewind_step()
        self._boundaries = self.schedule.boundaries
        self._check_visible([self._step, *self._boundaries])
        self.tickets = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        # Not at a batch's end: an epoch's validation must see what was trained.
        self._act(int(self.model._train_counter.numpy()))
        self._attach(True)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        # For the batch only: a `fit` that fails between two must not leave it on.
        self._attach(False)

    def on_train_end(self, logs: Any = None) -> None:
        self._act(int(self.model._train_counter.numpy()))
        if self._boundaries:
            warn(
                f"Training ended before the pruning at step {self._boundaries[0]}: "
                f"{len(self._boundaries)} of {self.schedule.plan.rounds} rounds were "
                "not run. Train for longer, or plan fewer rounds."
            )

    def _attach(self, attached: bool) -> None:
        for schedule in self._schedules:
            schedule.attached.assign(attached)

    def _act(self, step: int) -> None:
        if step in (self._step, *self._boundaries):
            self._live.average()
        if not self.tickets and step == self._step:
            masks = Masks.full(self._live.shapes)
            self.tickets.append(
                Ticket(masks, self._live.read(), step, plan=self.schedule.plan)
            )
        if self._boundaries and step == self._boundaries[0]:
            del self._boundaries[0]
            self._prune(step)

    def _prune(self, step: int) -> None:
        weights = self._live.read_weights()
        outcome = Outcome(weights, weights, step, step, metrics={}, curves={})
        ticket = prune_ticket(self.tickets[-1], outcome, self.schedule.plan)
        if reason := exhausted(self.tickets[-1].masks, ticket.masks):
            warn(f"Pruning ended: round {ticket.round} would {reason}.")
            self._boundaries = []
            return
        self._live.assign(ticket.state, ticket.masks)
        self.tickets.append(ticket)

    def _matching_schedules(self) -> list[LotterySchedule]:
        """The schedules of the wrappers; in a loaded model each has its own."""
        found = [wrapper.pruning_schedule for wrapper in self.prunable_layers]
        expected = self.schedule.get_config()
        if found and all(schedule.get_config() == expected for schedule in found):
            return list({id(schedule): schedule for schedule in found}.values())
        raise ValueError(
            "`RewindWeights` needs a model wrapped by `prune_low_magnitude(model, "
            "pruning_schedule=schedule)` with the same `schedule`. Received: a model "
            f"with {len(found)} wrapped layers."
        )

    def _rewind_step(self) -> int:
        steps = self.params.get("steps")
        if steps is None and str(self.rewind_to).endswith("ep"):
            raise ValueError(
                "`rewind_to` in epochs needs data of known length. Received: "
                f"rewind_to={self.rewind_to!r}. Pass `steps_per_epoch` to `fit`."
            )
        return to_steps(self.rewind_to, steps or 1)

    def _check_visible(self, steps: list[int]) -> None:
        """Raises if a step at which to act is inside a group of steps."""
        if self._step > self._boundaries[0]:
            raise ValueError(
                "`rewind_to` must be no later than the first pruning, at step "
                f"{self._boundaries[0]}. Received: rewind_to={self.rewind_to!r}."
            )
        execution = int(self.model._steps_per_execution.numpy())
        epoch = self.params.get("steps")
        hidden = [s for s in steps if (s % epoch if epoch else s) % execution]
        if hidden:
            raise ValueError(
                "`steps_per_execution` must divide every step at which weights are "
                f"pruned or kept for the rewind. Received: steps_per_execution="
                f"{execution}, and steps {hidden}."
            )
