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
    directory_name,
    numbered,
)
from tf_lottery.run_dir.sealed import digest_of_arrays, missing
from tf_lottery.run_dir.training_files import Place, TrainingFiles


class ReplicateDir:
    """Reads and writes the trainings of a replicate.

    Args:
        path: The directory.
        number: The number of the replicate.
        search: The digest of its search, see `manifest.search_digest`.
        keep: What must live as long as the arrays that are read, such as a
            temporary directory.
    """

    def __init__(
        self, path: Path, number: int = 0, search: str = "", keep: object = None
    ) -> None:
        self.path = path
        self.number = number
        self._search = search
        self._keep = keep
        self._starts = Starts()

    def directory(self, round: int, control: str | None = None, draw: int = 0) -> Path:
        """The directory of a round, or of a control of the round's ticket."""
        name = directory_name("round", round)
        if control is None:
            return self.path / name
        return self.path / CONTROLS / control / name / directory_name("draw", draw)

    def has_outcome(
        self, round: int, control: str | None = None, draw: int = 0
    ) -> bool:
        """Whether a training is finished."""
        return _is_there(self.directory(round, control, draw) / METRICS)

    def has_ticket(self, round: int, control: str | None = None, draw: int = 0) -> bool:
        """Whether the ticket of a training is there."""
        return _is_there(self._files(round, control, draw).ticket_path)

    def finished(self) -> int:
        """How many rounds are finished before the first one that is not."""
        number = 0
        while self.has_outcome(number):
            number += 1
        return number

    def trained(self, plan: Plan) -> Iterator[tuple[int, str | None, int]]:
        """The trainings of a plan that are finished: (round, control, draw)."""
        found: list[tuple[int, str | None, int]]
        found = [(number, None, 0) for number in numbered(self.path, "round")]
        for control in map(name_of_control, plan.controls):
            for number, path in numbered(
                self.path / CONTROLS / control, "round"
            ).items():
                found += [(number, control, draw) for draw in numbered(path, "draw")]
        for each in found:
            if plan.asks_for(*each) and self.has_outcome(*each):
                yield each

    def dense(self, plan: Plan) -> Ticket | None:
        """The ticket of round 0; None before it was written.

        Raises:
            TicketError: It is missing although rounds were trained from it.
        """
        if self.has_ticket(0):
            archive = self._files(0).ticket()
            header, state = archive.header, archive.group("state")
            architecture = header.get("architecture")
            return Ticket(_masks(archive), state, plan=plan, architecture=architecture)
        trained = numbered(self.path, "round").values()
        if any(
            _is_there(path / name) for path in trained for name in (METRICS, OUTCOME)
        ):
            raise TicketError(
                f"{self._files(0).ticket_path} is missing, and the rounds of this "
                "search were trained from it: no other initial weights can take its "
                "place. Put it back, or pass `overwrite=True` (`--overwrite`) to "
                "start again."
            )
        return None

    def save_ticket(
        self, ticket: Ticket, control: str | None = None, draw: int = 0
    ) -> None:
        """Writes the masks of a ticket, and the state that no other file gives."""
        groups = {}
        if control is not None:
            groups = {"state": ticket.weights}
        elif ticket.round == 0:
            groups = {"state": ticket.state}
        header = {
            "step": ticket.step,
            "masks_digest": ticket.masks.digest(),
            "start": self._starts.of(ticket),
            "follows": self._origin(ticket.round, control),
        }
        if ticket.round == 0:
            header["architecture"] = ticket.architecture
        files = self._files(ticket.round, control, draw)
        files.write_ticket(header, groups, ticket.masks)

    def restore_ticket(
        self, ticket: Ticket, control: str | None = None, draw: int = 0
    ) -> None:
        """Writes the ticket of a finished training again, if its file is missing.

        Raises:
            TicketError: It is another ticket than the one that was trained.
        """
        if self.has_ticket(ticket.round, control, draw):
            return
        self.save_ticket(ticket, control, draw)
        files = self._files(ticket.round, control, draw)
        try:
            files.outcome()
        except TicketError:
            files.ticket_path.unlink()
            raise

    def save_outcome(
        self,
        ticket: Ticket,
        outcome: Outcome,
        control: str | None = None,
        draw: int = 0,
        key: str | None = None,
    ) -> Outcome:
        """Writes an outcome, and returns it with arrays that load from disk."""
        files = self._files(ticket.round, control, draw)
        files.write_outcome(outcome, ticket.masks)
        files.write_metrics(outcome, key)
        return self.outcome(ticket, control, draw)

    def link_outcome(
        self,
        ticket: Ticket,
        outcome: Outcome,
        source: Path,
        control: str | None = None,
        draw: int = 0,
        key: str | None = None,
    ) -> Outcome:
        """Like `save_outcome`, but links the arrays from another directory."""
        files = self._files(ticket.round, control, draw)
        link([source / OUTCOME], files.directory)
        files.write_metrics(outcome, key)
        return self.outcome(ticket, control, draw)

    def cached_outcome(
        self,
        ticket: Ticket,
        source: Path,
        key: str,
        control: str | None = None,
        draw: int = 0,
    ) -> Outcome:
        """The outcome of an equal training that another search did.

        Raises:
            TicketError: It is missing, damaged, or of another training.
        """
        return self._files(ticket.round, control, draw).cached_outcome(source, key)

    def key(self, round: int, control: str | None = None, draw: int = 0) -> str | None:
        """The key of a finished training, if it has one."""
        return self._files(round, control, draw).key()

    def outcome(
        self, ticket: Ticket, control: str | None = None, draw: int = 0
    ) -> Outcome:
        """The outcome of a finished training.

        Raises:
            TicketError: It belongs to another ticket, or a file is damaged.
        """
        files = self._files(ticket.round, control, draw)
        archive = files.ticket()
        if archive.header["masks_digest"] != ticket.masks.digest():
            raise TicketError(
                f"{files.directory} holds the outcome of other masks than those that "
                "follow from the rounds before. Remove it to train the round again."
            )
        follows, origin = archive.header["follows"], self._origin(ticket.round, control)
        if ticket.round == 0 and control is None:
            self._check_first(archive.path, follows, origin)
        elif follows != origin:
            raise TicketError(
                f"{archive.path} was made from another file than "
                f"{self._before(ticket.round, control)}. Put back the files that the "
                f"search wrote, or remove {files.directory} to train it again."
            )
        return files.outcome()

    def rounds(self, plan: Plan) -> tuple[Round, ...]:
        """The finished rounds; `plan` is that of the replicate.

        Raises:
            TicketError: A file is damaged.
        """
        rounds: list[Round] = []
        for _ in range(min(self.finished(), plan.rounds + 1)):
            ticket = self._ticket(plan, rounds[-1] if rounds else None)
            outcome = self.outcome(ticket)
            rounds.append(Round(ticket.round, ticket, outcome, self.number))
        return tuple(rounds)

    def controls(self, plan: Plan, rounds: Sequence[Round]) -> Iterator[Round]:
        """The finished controls of rounds, in the order of the plan."""
        for round in rounds:
            for control in map(name_of_control, plan.controlled(round.number)):
                path = self.directory(round.number, control).parent
                for draw in numbered(path, "draw"):
                    is_asked_for = draw < plan.control_replicates
                    if is_asked_for and self.has_outcome(round.number, control, draw):
                        yield self.control(plan, round, control, draw)

    def control(self, plan: Plan, round: Round, control: str, draw: int) -> Round:
        """A finished control of a round.

        Raises:
            TicketError: A file is damaged.
        """
        archive = self._files(round.number, control, draw).ticket()
        step, state = archive.header["step"], archive.group("state")
        architecture = round.ticket.architecture
        ticket = Ticket(_masks(archive), state, step, round.number, plan, architecture)
        outcome = self.outcome(ticket, control, draw)
        return Round(round.number, ticket, outcome, self.number, control, draw)

    def _ticket(self, plan: Plan, before: Round | None) -> Ticket:
        if before is None:
            dense = self.dense(plan)
            if dense is None:  # removed just now
                raise missing(self._files(0).ticket_path)
            return dense
        number = before.number + 1
        archive = self._files(number).ticket()
        step, state = starting_point(before.ticket, before.outcome, plan)
        if step != archive.header["step"]:
            raise TicketError(
                f"{archive.path} must start at step {step:,}, as the round before "
                f"says. Received: step {archive.header['step']:,}."
            )
        architecture = before.ticket.architecture
        return Ticket(_masks(archive), state, step, number, plan, architecture)

    def _files(
        self, round: int, control: str | None = None, draw: int = 0
    ) -> TrainingFiles:
        place = Place(self._search, self.number, round, control, draw)
        return TrainingFiles(self.directory(round, control, draw), place, self._keep)

    def _before(self, round: int, control: str | None) -> Path:
        """The file that a ticket is made from."""
        if control is not None:
            return self._files(round).ticket_path
        return self.directory(round - 1) / OUTCOME

    def _check_first(self, path: Path, follows: str | None, origin: str | None) -> None:
        """Raises if replicate 0 was another one when this replicate was trained."""
        if follows and origin and follows != origin:
            raise TicketError(
                f"{path} was written when {self._first().directory(0)} was another "
                "training than now: one of the two replicates belongs to another "
                f"search. Put back the one that is wrong, or remove {self.path} to "
                "train it again."
            )

    def _first(self) -> "ReplicateDir":
        """The directory of replicate 0 of the same search."""
        path = self.path.with_name(directory_name("replicate", 0))
        return ReplicateDir(path, 0, self._search, self._keep)

    def _origin(self, round: int, control: str | None) -> str | None:
        """The digest of what a ticket is made from.

        The dense ticket of a later replicate is made from its seed alone. It has the
        digest of the dense training of replicate 0, which shows whether both belong
        to one search.
        """
        if control is not None:
            if not self.has_ticket(round):
                return None  # it belongs to no search, see `instability`
            start: str = self._files(round).ticket().header["start"]
            return start
        if round == 0:
            first = self._first()
            if self.number == 0 or not first.has_outcome(0):
                return None
            return digest_of_arrays(first._files(0).outcome_archive())
        return digest_of_arrays(self._files(round - 1).outcome_archive())


def _masks(archive: Archive) -> Masks:
    masks = archive.masks
    if masks.digest() != archive.header["masks_digest"]:
        raise TicketError(
            f"{archive.path} is damaged: the digest of its masks differs."
        )
    return masks


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()  # which may point nowhere
