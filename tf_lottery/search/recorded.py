"""A trainer that writes what it does to disk, and trains nothing twice."""

import dataclasses

import numpy as np

from tf_lottery.bindings.parts import Logs
from tf_lottery.core.errors import TicketError
from tf_lottery.core.history import Round
from tf_lottery.core.outcome import Outcome
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import Ticket
from tf_lottery.core.words import warn
from tf_lottery.run_dir.cache import Cache
from tf_lottery.run_dir.keys import Keys
from tf_lottery.run_dir.names import CHECKPOINT, Place
from tf_lottery.run_dir.replicate_dir import ReplicateDir
from tf_lottery.run_dir.writer import Job
from tf_lottery.search.progress import Progress
from tf_lottery.training.checkpoint import Checkpoint
from tf_lottery.training.one_training import Report
from tf_lottery.training.trainer import Trainer


@dataclasses.dataclass
class Recorded:
    """Trains and writes each outcome to disk; what is there is read instead.

    A search that uses it resumes without further code. `together` says how many
    trainings share a program: of tickets, and of controls. `lanes` says how many
    trainings the program has in which the search takes one place.
    """

    trainer: Trainer
    directory: ReplicateDir
    progress: Progress
    keys: Keys
    cache: Cache | None = None
    together: tuple[int, int] = (1, 1)
    lanes: int = 1

    def __post_init__(self) -> None:
        if self.trainer.facts["unknown"]:
            self.cache = None

    def dense(self) -> Ticket:
        """The dense ticket; if the run directory has one, that one."""
        self.finish()
        plan: Plan = self.trainer.plan
        passed = self.trainer.dense()
        stored = self.directory.dense(plan)
        if stored is None:
            self.directory.save_ticket(passed, Place(0))
            stored = self.directory.dense(plan)
            assert stored is not None
        elif names := _differing(stored, passed):
            warn(
                "The search continues with the initial weights, and the values of the "
                "optimizer, in its run directory. Those of the model that was passed "
                f"differ in {', '.join(map(repr, names[:3]))}"
                f"{', ...' if names[3:] else ''} and are not used. To start from "
                "these, pass another `run_dir`, or `overwrite=True`. A function that "
                "builds the model is called under the seed: then they are equal."
            )
        self.trainer.dense(stored.state)
        return stored

    def finished(self, round: Round, control: str, draw: int) -> Round | None:
        """A control in the run directory, if it is finished there."""
        place = Place(round.number, control, draw)
        self.finish()
        if not (self.directory.has_outcome(place) and self.directory.has_ticket(place)):
            return None  # a missing ticket is made again
        found = self.directory.control(self.trainer.plan, round, place)
        self._passed(found.ticket, place)
        return found

    def train(
        self, ticket: Ticket, *, control: str | None = None, draw: int = 0
    ) -> Outcome:
        """The outcome in the run directory, or else that of training the ticket."""
        place = Place(ticket.round, control, draw)
        if self.directory.has_outcome(place):
            return self._found(ticket, place)
        if place != Place(0):
            self._write(lambda: self.directory.save_ticket(ticket, place))
        together = max(self.lanes, self.together[control is not None])
        key = self.keys.key(ticket, self.trainer.plan, together)
        if self.cache is None:
            return self._trained(ticket, place, key)
        self.finish()  # what is shared is read, and linked
        waits = f"{place} waits: another search trains it now."
        with self.cache.alone(key, lambda: self.progress.say(waits)):
            if taken := self._taken(ticket, place, key):
                return taken
            outcome = self._trained(ticket, place, key)
            self.cache.publish(key, self.directory.directory(place))
            return outcome

    def finish(self) -> None:
        """Waits until all that was trained is written."""
        if self.directory.writer:
            self.directory.writer.wait()

    def _write(self, job: Job) -> None:
        """Writes in the background, if the directory can."""
        if self.directory.writer:
            self.directory.writer.write(job)
        else:
            job()

    def _found(self, ticket: Ticket, place: Place) -> Outcome:
        """The outcome in the run directory."""
        self.finish()
        self.directory.restore_ticket(ticket, place)
        outcome = self.directory.outcome(ticket, place)
        if place.control is None and not self._has_start(ticket, outcome, place):
            raise TicketError(
                f"{self.directory.directory(place)} does not hold the state that later "
                "tickets start from. Remove it to train the round again."
            )
        self._passed(ticket, place)
        return outcome

    def _trained(self, ticket: Ticket, place: Place, key: str) -> Outcome:
        """The outcome of training, from the checkpoint if there is one."""
        together = self.together[place.control is not None]
        with self.progress.training(ticket, place.control, together) as report:
            checkpoint = self._checkpoint(ticket, place, key)
            checkpoint.forget_unusable(ticket.state)
            if step := checkpoint.step:
                self.progress.say(f"{place} continues from step {step:,}.")
            outcome = self.trainer.train(
                ticket,
                control=place.control,
                checkpoint=checkpoint,
                report=self._looking(report),
            )
            known = None if self.trainer.facts["unknown"] else key
            of = ticket, outcome, place, known
            if self._can_wait(outcome):
                stored = self.directory.save_later(*of)
                self._write(checkpoint.finish)
            else:
                self.finish()
                stored = self.directory.save_outcome(*of)
                checkpoint.finish()
        return stored

    def _can_wait(self, outcome: Outcome) -> bool:
        """Whether an outcome can be used before it is in the run directory."""
        in_memory = isinstance(outcome.weights, dict) and outcome.next_start is None
        return in_memory and self.cache is None and self.directory.writer is not None

    def _looking(self, report: Report) -> Report:
        """Reports, and raises what went wrong in the background."""

        def look(step: int, logs: Logs) -> None:
            if self.directory.writer:
                self.directory.writer.check()
            report(step, logs)

        return look

    def _taken(self, ticket: Ticket, place: Place, key: str) -> Outcome | None:
        """The outcome of an equal training of another search, if it is of use here."""
        assert self.cache
        source = self.cache.path / key
        if not source.exists():
            return None
        try:
            outcome = self.directory.files(place).cached_outcome(source, key)
        except TicketError:
            return None  # it is damaged, and trained here instead
        has_start = self._has_start(ticket, outcome, place)
        # A training that was stopped early has another last step.
        if outcome.last_step != self.trainer.lengths.last or not (
            has_start or self._can_replay(ticket, place)
        ):
            return None
        self.progress.say(f"{place} is shared: it is in {source}.")
        if has_start:
            return self.directory.save_outcome(ticket, outcome, place, key, source)
        step = self._start(ticket, place)
        start = None if step is None else (step, self.trainer.state_at(ticket, step))
        outcome = dataclasses.replace(outcome, next_start=start)
        return self.directory.save_outcome(ticket, outcome, place, key)

    def _can_replay(self, ticket: Ticket, place: Place) -> bool:
        """Whether the state that an outcome lacks can be made again."""
        if place.control is None and self.trainer.plan.retrain == "fine_tune":
            return False  # the state at the end
        return self._start(ticket, place) is None or self.trainer.facts["repeats"]

    def _start(self, ticket: Ticket, place: Place) -> int | None:
        """The step that later tickets start from, if this training passes it."""
        step = self.trainer.lengths.rewind
        is_rewound = self.trainer.plan.retrain == "rewind"
        passes = place.control is None and is_rewound and ticket.step < step
        return step if passes else None

    def _has_start(self, ticket: Ticket, outcome: Outcome, place: Place) -> bool:
        """Whether an outcome has the state that later tickets start from."""
        found = outcome.next_start and outcome.next_start[0]
        if place.control is None and self.trainer.plan.retrain == "fine_tune":
            return found is not None
        return found == self._start(ticket, place)

    def _passed(self, ticket: Ticket, place: Place) -> None:
        """Takes note of a training that was found in the run directory."""
        # A kill may have come between the outcome and this.
        self._checkpoint(ticket, place).finish()
        if self.cache and (key := self.directory.files(place).key()):
            self.cache.add(key, self.directory.directory(place))

    def _checkpoint(
        self, ticket: Ticket, place: Place, key: str | None = None
    ) -> Checkpoint:
        path = self.directory.directory(place) / CHECKPOINT
        return Checkpoint(path, ticket.masks, key, self.finish)


def _differing(stored: Ticket, passed: Ticket) -> list[str]:
    """The names of the arrays that differ between the states of two dense tickets."""
    if stored.masks != passed.masks:
        raise TicketError("The run directory holds a ticket of another model.")
    one, other = stored.state, passed.state
    # Random generators follow from the seed, which the plan has.
    names = [name for name in {**other, **one} if not name.startswith("random:")]
    return [
        name
        for name in names
        if name not in one
        or name not in other
        or not np.array_equal(one[name], other[name])
    ]
