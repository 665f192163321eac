"""The directory of a replicate: its rounds and their controls, as they were trained.

    round_00/                            ticket.safetensors  outcome.safetensors
                                         metrics.json
    controls/reinit/round_03/draw_0/     the same

A training is finished when its `metrics.json` exists: it is written last. Only the
dense ticket is written with its whole state. For later tickets the masks are enough,
as their states follow from the rounds before; controls also have the weights that they
start from. Every ticket has the digest of what it was made from, and so rounds of
different searches cannot be mixed.
"""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tf_lottery.core.archive import Archive
from tf_lottery.core.choices import name_of_control
from tf_lottery.core.errors import TicketError
from tf_lottery.core.history import Round
from tf_lottery.core.masks import Masks
from tf_lottery.core.next_ticket import starting_point
from tf_lottery.core.outcome import Outcome
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import Ticket
from tf_lottery.run_dir.cache import link
from tf_lottery.run_dir.keys import Starts
from tf_lottery.run_dir.names import (
    CONTROLS,
    METRICS,
    OUTCOME,
    Place,
    directory_name,
    is_trained,
    numbered,
)
from tf_lottery.run_dir.sealed import digest_of_arrays, missing
from tf_lottery.run_dir.training_files import TrainingFiles
from tf_lottery.run_dir.writer import BeingWritten, Writer

_DENSE = Place(0)


@dataclasses.dataclass(frozen=True, eq=False)
class ReplicateDir:
    """Reads and writes the trainings of a replicate.

    What reads raises a `TicketError` for a missing, damaged or exchanged file. `search`
    is the digest of the search, see `manifest.search_digest`; for `keep` see `RunDir`.
    A `writer` lets a search go on while an outcome is written.
    """

    path: Path
    number: int = 0
    search: str = ""
    keep: object = None
    writer: Writer | None = None
    _starts: Starts = dataclasses.field(default_factory=Starts, init=False)

    def directory(self, place: Place) -> Path:
        """The directory of a training."""
        name = directory_name("round", place.round)
        if place.control is None:
            return self.path / name
        draw = directory_name("draw", place.draw)
        return self.path / CONTROLS / place.control / name / draw

    def files(self, place: Place) -> TrainingFiles:
        """The files of a training."""
        of = {"replicate": self.number, **place._asdict()}
        return TrainingFiles(self.directory(place), self.search, of, self.keep)

    def has_outcome(self, place: Place) -> bool:
        """Whether a training is finished."""
        return os.path.lexists(self.directory(place) / METRICS)

    def has_ticket(self, place: Place) -> bool:
        """Whether the ticket of a training is there."""
        return os.path.lexists(self.files(place).ticket_path)

    def finished(self) -> int:
        """How many rounds are finished before the first one that is not."""
        number = 0
        while self.has_outcome(Place(number)):
            number += 1
        return number

    def trained(self, plan: Plan) -> list[Place]:
        """The trainings of a plan that are finished."""
        found = [Place(number) for number in numbered(self.path, "round")]
        for control in map(name_of_control, plan.controls):
            rounds = numbered(self.path / CONTROLS / control, "round")
            for number, path in rounds.items():
                draws = numbered(path, "draw")
                found += [Place(number, control, draw) for draw in draws]
        return [at for at in found if plan.asks_for(*at) and self.has_outcome(at)]

    def dense(self, plan: Plan) -> Ticket | None:
        """The ticket of round 0; None before it was written."""
        files = self.files(_DENSE)
        if self.has_ticket(_DENSE):
            archive = files.ticket()
            architecture = archive.header.get("architecture")
            state = archive.group("state")
            return Ticket(_masks(archive), state, plan=plan, architecture=architecture)
        if is_trained(self.path):
            raise TicketError(
                f"{files.ticket_path} is missing, and the rounds of this search were "
                "trained from it: no other initial weights can take its place. Put it "
                "back, or pass `overwrite=True` (`--overwrite`) to start again."
            )
        return None

    def save_ticket(self, ticket: Ticket, place: Place) -> None:
        """Writes the masks of a ticket, and the state that no other file gives."""
        groups = {}
        if place.control is not None:
            groups = {"state": ticket.weights}
        elif place == _DENSE:
            groups = {"state": ticket.state}
        header = {
            "step": ticket.step,
            "masks_digest": ticket.masks.digest(),
            "start": self._starts.of(ticket),
            "follows": self._origin(place),
        }
        if place.round == 0:
            header["architecture"] = ticket.architecture
        self.files(place).write_ticket(header, groups, ticket.masks)

    def restore_ticket(self, ticket: Ticket, place: Place) -> None:
        """Writes the ticket of a finished training again, if its file is missing."""
        if self.has_ticket(place):
            return
        self.save_ticket(ticket, place)
        files = self.files(place)
        try:
            files.outcome()
        except TicketError:
            files.ticket_path.unlink()
            raise

    def save_outcome(
        self,
        ticket: Ticket,
        outcome: Outcome,
        place: Place,
        key: str | None = None,
        source: Path | None = None,
    ) -> Outcome:
        """Writes an outcome, and returns it with arrays that load from disk.

        `source` is the directory of an equal training, whose arrays are linked.
        """
        files = self.files(place)
        if source is None:
            files.write_outcome(outcome, ticket.masks)
        else:
            link([source / OUTCOME], files.directory)
        files.write_metrics(outcome, key)
        return self.outcome(ticket, place)

    def save_later(
        self, ticket: Ticket, outcome: Outcome, place: Place, key: str | None
    ) -> Outcome:
        """Writes an outcome in the background, and returns it with all its arrays.

        These are in memory until they can be loaded from disk.
        """
        assert self.writer
        self.writer.wait()  # so that one outcome at most is in memory
        weights = BeingWritten(outcome.weights)
        best_weights = BeingWritten(outcome.best_weights)

        def write() -> None:
            stored = self.save_outcome(ticket, outcome, place, key)
            weights.arrays, best_weights.arrays = stored.weights, stored.best_weights

        self.writer.write(write)
        return dataclasses.replace(outcome, weights=weights, best_weights=best_weights)

    def outcome(self, ticket: Ticket, place: Place) -> Outcome:
        """The outcome of a finished training."""
        files = self.files(place)
        archive = files.ticket()
        if archive.header["masks_digest"] != ticket.masks.digest():
            raise TicketError(
                f"{files.directory} holds the outcome of other masks than those that "
                "follow from the rounds before. Remove it to train the round again."
            )
        self._check_origin(archive, place)
        return files.outcome()

    def rounds(self, plan: Plan) -> tuple[Round, ...]:
        """The finished rounds; `plan` is that of the replicate."""
        rounds: list[Round] = []
        for number in range(min(self.finished(), plan.rounds + 1)):
            ticket = self._ticket(plan, rounds[-1] if rounds else None)
            outcome = self.outcome(ticket, Place(number))
            rounds.append(Round(number, ticket, outcome, self.number))
        return tuple(rounds)

    def controls(self, plan: Plan, rounds: Sequence[Round]) -> Iterator[Round]:
        """The finished controls of rounds, in the order of the plan."""
        for round in rounds:
            for control in map(name_of_control, plan.controlled(round.number)):
                path = self.directory(Place(round.number, control)).parent
                for draw in numbered(path, "draw"):
                    place = Place(round.number, control, draw)
                    if draw < plan.control_replicates and self.has_outcome(place):
                        yield self.control(plan, round, place)

    def control(self, plan: Plan, round: Round, place: Place) -> Round:
        """A finished control of a round."""
        archive = self.files(place).ticket()
        step, state = archive.header["step"], archive.group("state")
        architecture = round.ticket.architecture
        ticket = Ticket(_masks(archive), state, step, place.round, plan, architecture)
        outcome = self.outcome(ticket, place)
        return Round(
            place.round, ticket, outcome, self.number, place.control, place.draw
        )

    def _ticket(self, plan: Plan, before: Round | None) -> Ticket:
        if before is None:
            dense = self.dense(plan)
            if dense is None:  # removed just now
                raise missing(self.files(_DENSE).ticket_path)
            return dense
        number = before.number + 1
        archive = self.files(Place(number)).ticket()
        step, state = starting_point(before.ticket, before.outcome, plan)
        if step != archive.header["step"]:
            raise TicketError(
                f"{archive.path} must start at step {step:,}, as the round before "
                f"says. Received: step {archive.header['step']:,}."
            )
        architecture = before.ticket.architecture
        return Ticket(_masks(archive), state, step, number, plan, architecture)

    def _check_origin(self, archive: Archive, place: Place) -> None:
        """Raises if a ticket was made from another file than the one that is there."""
        follows, origin = archive.header["follows"], self._origin(place)
        if follows == origin:
            return
        if place != _DENSE:
            before = self.directory(Place(place.round - 1)) / OUTCOME
            if place.control is not None:
                before = self.files(Place(place.round)).ticket_path
            raise TicketError(
                f"{archive.path} was made from another file than {before}. Put back "
                f"the files that the search wrote, or remove {archive.path.parent} to "
                "train it again."
            )
        if follows and origin:  # else one of the two was trained before the other
            raise TicketError(
                f"{archive.path} was written when {self._first().directory(_DENSE)} "
                "was another training than now: one of the two replicates belongs to "
                "another search. Put back the one that is wrong, or remove "
                f"{self.path} to train it again."
            )

    def _origin(self, place: Place) -> str | None:
        """The digest of what a ticket is made from.

        The dense ticket of a later replicate is made from its seed alone: it has the
        digest of the dense training of replicate 0, which shows whether both belong to
        one search.
        """
        if place.control is not None:
            of_round = Place(place.round)
            if not self.has_ticket(of_round):
                return None  # it belongs to no search, see `instability`
            start: str = self.files(of_round).ticket().header["start"]
            return start
        if place.round > 0:
            before = self.files(Place(place.round - 1))
            return digest_of_arrays(before.outcome_archive())
        first = self._first()
        if self.number == 0 or not first.has_outcome(_DENSE):
            return None
        return digest_of_arrays(first.files(_DENSE).outcome_archive())

    def _first(self) -> "ReplicateDir":
        """The directory of replicate 0 of the same search."""
        path = self.path.with_name(directory_name("replicate", 0))
        return dataclasses.replace(self, path=path, number=0)


def _masks(archive: Archive) -> Masks:
    masks = archive.masks
    if masks.digest() != archive.header["masks_digest"]:
        raise TicketError(
            f"{archive.path} is damaged: the digest of its masks differs."
        )
    return masks
