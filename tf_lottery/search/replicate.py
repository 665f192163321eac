"""The directory of a replicate: its rounds and their controls, as they were trained.

    round_00/    ticket.safetensors  outcome.safetensors  metrics.json
    controls/reinit/round_03/draw_0/     the same

A training is finished when its `metrics.json` exists; it is written last. Of later
tickets only the masks are written, as their states follow from the rounds before;
of controls also the weights that they start from.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tf_lottery.core import io
from tf_lottery.core.advance import starting_point
from tf_lottery.core.errors import TicketError
from tf_lottery.core.extent import name_in_files
from tf_lottery.core.plan import Plan
from tf_lottery.core.records import Outcome, Round
from tf_lottery.core.ticket import Ticket


class Replicate:
    """Reads and writes the trainings of a replicate.

    Args:
        path: The directory.
        number: Of the replicate.
        keep: Kept alive with what is read, such as a temporary directory.
    """

    def __init__(self, path: Path, number: int = 0, keep: object = None) -> None:
        self.path = path
        self.number = number
        self._keep = keep

    def directory(self, round: int, control: str | None = None, draw: int = 0) -> Path:
        """The directory of a round, or of a control of its ticket."""
        name = f"round_{round:02d}"
        if control is None:
            return self.path / name
        return self.path / "controls" / control / name / f"draw_{draw}"

    def has_outcome(
        self, round: int, control: str | None = None, draw: int = 0
    ) -> bool:
        """Whether a training is finished."""
        return (self.directory(round, control, draw) / "metrics.json").exists()

    def finished(self) -> int:
        """How many rounds are finished, without a gap."""
        number = 0
        while self.has_outcome(number):
            number += 1
        return number

    def dense(self, plan: Plan) -> Ticket | None:
        """The ticket of round 0, if it was written."""
        path = self.directory(0) / "ticket.safetensors"
        if not path.exists():
            return None
        with reading(path):
            archive = io.Archive(path, self._keep)
            architecture = archive.header["architecture"]
            state = archive.group("state")
        return Ticket(archive.masks, state, plan=plan, architecture=architecture)

    def save_ticket(
        self, ticket: Ticket, control: str | None = None, draw: int = 0
    ) -> None:
        """Writes the masks of a ticket, and what does not follow from other files."""
        groups = {}
        if control is not None:
            groups = {"state": ticket.weights}
        elif ticket.round == 0:
            groups = {"state": ticket.state}
        header: dict[str, Any] = {"kind": "round", "step": ticket.step}
        header["masks_digest"] = ticket.masks.digest()
        if ticket.round == 0:
            header["architecture"] = ticket.architecture
        path = self.directory(ticket.round, control, draw) / "ticket.safetensors"
        io.save(path, groups, header, ticket.masks)

    def save_outcome(
        self,
        ticket: Ticket,
        outcome: Outcome,
        control: str | None = None,
        draw: int = 0,
        key: str | None = None,
    ) -> Outcome:
        """Writes an outcome, and returns it with arrays that load from disk."""
        directory = self.directory(ticket.round, control, draw)
        groups = {"final": outcome.weights, "best": outcome.best_weights}
        step, groups["next"] = outcome.next_start or (None, {})
        header = {"next_step": step, "masks_digest": ticket.masks.digest()}
        io.save(directory / "outcome.safetensors", groups, header, ticket.masks)
        record = {"outcome": outcome.record(), "masks_digest": ticket.masks.digest()}
        io.write_json(directory / "metrics.json", record | {"key": key})
        return self.outcome(ticket, control, draw)

    def outcome(
        self,
        ticket: Ticket,
        control: str | None = None,
        draw: int = 0,
        directory: Path | None = None,
    ) -> Outcome:
        """The outcome of a finished training; `directory` is that of another search.

        Raises:
            TicketError: It belongs to other masks, or is damaged.
        """
        directory = directory or self.directory(ticket.round, control, draw)
        with reading(directory):
            record = json.loads((directory / "metrics.json").read_text())
            archive = io.Archive(directory / "outcome.safetensors", self._keep)
            found = {record["masks_digest"], archive.header["masks_digest"]}
            step = archive.header["next_step"]
            outcome = Outcome.of_record(
                record["outcome"],
                weights=archive.group("final"),
                best_weights=archive.group("best"),
                next_start=None if step is None else (step, archive.group("next")),
            )
        if found != {ticket.masks.digest()}:
            raise TicketError(
                f"{directory} holds the outcome of other masks than those that follow "
                "from the rounds before. Remove it to train it again."
            )
        return outcome

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
        """The finished controls of rounds, as the plan has them."""
        for round in rounds:
            for control in map(name_in_files, plan.controlled(round.number)):
                for draw in range(plan.control_replicates):
                    if self.has_outcome(round.number, control, draw):
                        yield self.control(plan, round, control, draw)

    def control(self, plan: Plan, round: Round, control: str, draw: int) -> Round:
        """A finished control of a round.

        Raises:
            TicketError: A file is damaged.
        """
        path = self.directory(round.number, control, draw) / "ticket.safetensors"
        with reading(path):
            archive = io.Archive(path, self._keep)
            step, state = archive.header["step"], archive.group("state")
        architecture = round.ticket.architecture
        ticket = Ticket(archive.masks, state, step, round.number, plan, architecture)
        outcome = self.outcome(ticket, control, draw)
        return Round(round.number, ticket, outcome, self.number, control, draw)

    def _ticket(self, plan: Plan, before: Round | None) -> Ticket:
        if before is None:
            dense = self.dense(plan)
            if dense is None:
                raise TicketError(f"{self.directory(0)} has no ticket.safetensors.")
            return dense
        number = before.number + 1
        path = self.directory(number) / "ticket.safetensors"
        with reading(path):
            masks = io.Archive(path, self._keep).masks
        step, state = starting_point(before.ticket, before.outcome, plan)
        architecture = before.ticket.architecture
        return Ticket(masks, state, step, number, plan, architecture)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Says which file is damaged, when reading it fails."""
    try:
        yield
    except TicketError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TicketError(
            f"{path} is damaged, or of another version of tf_lottery: {error!r}."
        ) from error
