"""The run directory: what a search has done, so that nothing is done twice.

    plan.json                     plan, model and data by their hashes, versions
    replicate_0/round_00/         ticket.npz  outcome.npz  metrics.json
    ticket.npz                    the ticket that was returned

A round exists when its `metrics.json` exists; it is written last. Only the masks
of later tickets are written, as their states follow from the rounds before.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock

from tf_lottery.core import io
from tf_lottery.core.advance import starting_point
from tf_lottery.core.errors import TicketError
from tf_lottery.core.plan import Plan
from tf_lottery.core.records import History, Outcome, Round
from tf_lottery.core.ticket import Ticket
from tf_lottery.core.warn import warn
from tf_lottery.search.facts import compare

_FACTS = ("architecture", "compile_config", "data", "monitor", "maximize")
# What an export of the ticket is called, by its format.
EXPORTS = {
    "saved_model": "ticket_saved_model",
    "keras": "ticket.keras",
    "tflite": "ticket.tflite",
}
_OURS = (
    *("plan.json", "ticket.npz", "summary.csv", "summary.json", "accuracy.png"),
    *EXPORTS.values(),
    *(f"{name}.card.{kind}" for name in EXPORTS.values() for kind in ("json", "md")),
)


class Store:
    """Reads and writes a run directory.

    Args:
        path: The directory; made when it is opened.
        keep: Kept alive with what is read, such as a temporary directory.
    """

    def __init__(self, path: io.PathLike, keep: object = None) -> None:
        self.path = Path(path)
        self._keep = keep

    @contextlib.contextmanager
    def open(self, facts: Mapping[str, Any], *, overwrite: bool) -> Iterator[None]:
        """Locks the directory for a search and checks that it is this search's.

        Args:
            facts: What `plan.json` holds of the search, see `describe`.
            overwrite: Whether to remove the search that is there and start anew.

        Raises:
            PlanMismatchError: It holds another search.
            ValueError: It cannot be written, or another process uses it.
        """
        self._make()
        try:
            lock = filelock.FileLock(self.path / ".lock").acquire(timeout=0)
        except filelock.Timeout as error:
            raise ValueError(
                f"{self.path} is in use by another search. Wait for it to end, or pass "
                "another `run_dir`."
            ) from error
        with lock:
            if overwrite:
                self._clear()
            facts = self._checked(facts)
            for unfinished in self.path.rglob(f"{io.TEMPORARY}*"):
                _remove(unfinished)  # of a process that was killed
            io.write_json(self.path / "plan.json", facts)
            yield

    def facts(self) -> dict[str, Any]:
        """What `plan.json` holds.

        Raises:
            TicketError: There is no readable plan.json.
        """
        path = self.path / "plan.json"
        if not path.exists():
            raise TicketError(f"{self.path} is no run directory: it has no plan.json.")
        with _reading(path):
            facts: dict[str, Any] = json.loads(path.read_text())
            Plan.from_json(facts["plan"])
            missing = [name for name in _FACTS if name not in facts]
            if missing:
                raise ValueError(f"it lacks {', '.join(missing)}")
        return facts

    def round_dir(self, number: int) -> Path:
        """The directory of a round."""
        return self._rounds_dir() / f"round_{number:02d}"

    def has_outcome(self, number: int) -> bool:
        """Whether a round is finished."""
        return (self.round_dir(number) / "metrics.json").exists()

    def finished(self) -> int:
        """How many rounds are finished, without a gap."""
        number = 0
        while self.has_outcome(number):
            number += 1
        return number

    def dense(self, plan: Plan) -> Ticket | None:
        """The ticket of round 0, if it was written."""
        path = self.round_dir(0) / "ticket.npz"
        if not path.exists():
            return None
        archive = io.Archive(path, self._keep)
        architecture = archive.header["architecture"]
        state = archive.group("state")
        return Ticket(archive.masks, state, plan=plan, architecture=architecture)

    def save_ticket(self, ticket: Ticket) -> None:
        """Writes the masks of a ticket; of the dense one also its state."""
        groups = {"state": ticket.state} if ticket.round == 0 else {}
        header: dict[str, Any] = {"kind": "round", "step": ticket.step}
        header["masks_digest"] = ticket.masks.digest()
        if ticket.round == 0:
            header["architecture"] = ticket.architecture
        path = self.round_dir(ticket.round) / "ticket.npz"
        io.save(path, groups, header, ticket.masks)

    def save_outcome(self, ticket: Ticket, outcome: Outcome) -> Outcome:
        """Writes an outcome, and returns it with arrays that load from disk."""
        directory = self.round_dir(ticket.round)
        groups = {"final": outcome.weights, "best": outcome.best_weights}
        step, groups["next"] = outcome.next_start or (None, {})
        header = {"next_step": step, "masks_digest": ticket.masks.digest()}
        io.save(directory / "outcome.npz", groups, header, ticket.masks)
        record = {"outcome": outcome.record(), "masks_digest": ticket.masks.digest()}
        io.write_json(directory / "metrics.json", record)
        return self.outcome(ticket)

    def outcome(self, ticket: Ticket) -> Outcome:
        """The outcome of a finished round.

        Raises:
            TicketError: It belongs to other masks, or is damaged.
        """
        directory = self.round_dir(ticket.round)
        with _reading(directory):
            record = json.loads((directory / "metrics.json").read_text())
            archive = io.Archive(directory / "outcome.npz", self._keep)
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

    def history(self) -> History:
        """The finished rounds, read without TensorFlow; arrays load lazily.

        Raises:
            TicketError: It is no run directory, or damaged.
        """
        facts = self.facts()
        plan = Plan.from_json(facts["plan"])
        rounds: list[Round] = []
        for number in range(min(self.finished(), plan.rounds + 1)):
            ticket = self._ticket(plan, rounds[-1] if rounds else None)
            rounds.append(Round(number, ticket, self.outcome(ticket)))
        return History((tuple(rounds),), plan, facts["monitor"], facts["maximize"])

    def _ticket(self, plan: Plan, before: Round | None) -> Ticket:
        if before is None:
            dense = self.dense(plan)
            if dense is None:
                raise TicketError(f"{self.round_dir(0)} has no ticket.npz.")
            return dense
        number = before.number + 1
        path = self.round_dir(number) / "ticket.npz"
        with _reading(path):
            masks = io.Archive(path, self._keep).masks
        step, state = starting_point(before.ticket, before.outcome, plan)
        architecture = before.ticket.architecture
        return Ticket(masks, state, step, number, plan, architecture)

    def _rounds_dir(self) -> Path:
        return self.path / "replicate_0"

    def _make(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with io.atomic(self.path / ".writable"):
                pass
            (self.path / ".writable").unlink()
        except OSError as error:
            raise ValueError(
                f"`run_dir` must be a directory that can be written. Received: "
                f"{os.fspath(self.path)!r} ({error.strerror})."
            ) from error

    def _checked(self, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """The facts, with the most rounds that were ever planned.

        Raises if the directory holds another search.
        """
        if (self.path / "plan.json").exists():
            found = self.facts()
            compare(found, facts, self.path)
            if self.finished() > facts["plan"]["rounds"]:  # nothing is left to train
                facts = {**facts, **{k: found.get(k) for k in ("versions", "devices")}}
            for name in ("versions", "devices"):
                there, here = found.get(name), facts.get(name)
                if there != here:
                    warn(
                        f"{self.path} was begun with other {name}, {there} and not "
                        f"{here}: the rounds to come may differ from what it would "
                        "have given."
                    )
            rounds = max(found["plan"]["rounds"], facts["plan"]["rounds"])
            return {**facts, "plan": facts["plan"] | {"rounds": rounds}}
        if self._rounds_dir().exists():
            raise ValueError(
                f"{self.path} holds rounds without a plan.json, so they cannot be "
                "continued. Pass `overwrite=True` (`--overwrite`) to start anew, or "
                "another `run_dir`."
            )
        return facts

    def _clear(self) -> None:
        """Removes the search that is there, and no file of anyone else."""
        if self._rounds_dir().exists():
            shutil.rmtree(self._rounds_dir())
        elif not (self.path / "plan.json").exists():
            return
        for name in _OURS:
            _remove(self.path / name)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Says which file is damaged, when reading it fails."""
    try:
        yield
    except TicketError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TicketError(
            f"{path} is damaged, or of another version of tf_lottery: {error!r}."
        ) from error
