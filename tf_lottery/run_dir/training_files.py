"""The three files of one training, compared with each other before they are used.

Each says to which training of which search it belongs, and where that training
started. `metrics.json` is written last, and has the digests of the two others. The
outcome says only where it started: searches share it (see `Cache`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tf_lottery.core import fields
from tf_lottery.core.archive import Archive, save
from tf_lottery.core.errors import TicketError
from tf_lottery.core.outcome import RECORD, Outcome
from tf_lottery.run_dir.names import METRICS, OUTCOME, TICKET
from tf_lottery.run_dir.sealed import (
    digest,
    digest_of,
    open_archive,
    read_record,
    write_record,
)


def _key(where: str, value: Any) -> None:
    fields.name(where, value)
    if not re.fullmatch("[0-9a-f]{64}", value):  # it names a directory
        raise ValueError(f"`{where}` must be a SHA-256. Received: {value!r}")


_PLACE = {
    "replicate": fields.whole,
    "round": fields.whole,
    "control": fields.optional(fields.name),
    "draw": fields.whole,
}
_TICKET = fields.record(
    {
        "kind": fields.name,
        "format": fields.whole,
        "of": fields.record(_PLACE),
        "search": fields.name,
        "step": fields.whole,
        "masks_digest": fields.name,
        "start": fields.name,
        "follows": fields.optional(fields.name),
    },
    {"architecture": fields.optional(fields.mapping)},
)
_OUTCOME = fields.record(
    {
        "kind": fields.name,
        "format": fields.whole,
        "start": fields.name,
        "masks_digest": fields.name,
        "next_step": fields.optional(fields.whole),
        "record": fields.name,
    }
)
_METRICS = fields.record(
    {
        "of": fields.record(_PLACE),
        "search": fields.name,
        "start": fields.name,
        "masks_digest": fields.name,
        "files": fields.record({TICKET: fields.name, OUTCOME: fields.name}),
        "outcome": RECORD,
        "key": fields.optional(_key),
    }
)


@dataclass(frozen=True)
class Place:
    """Which training of which search this is."""

    search: str
    replicate: int
    round: int
    control: str | None = None
    draw: int = 0

    @property
    def of(self) -> dict[str, Any]:
        """The place in its search, as plain values."""
        return {name: getattr(self, name) for name in _PLACE}


class TrainingFiles:
    """Reads and writes the files of one training.

    Args:
        directory: Where they are.
        place: To which training they must belong.
        keep: What must live as long as the arrays that are read, such as a
            temporary directory.
    """

    def __init__(self, directory: Path, place: Place, keep: object = None) -> None:
        self.directory = directory
        self._place = place
        self._keep = keep

    @property
    def ticket_path(self) -> Path:
        """The file of the ticket."""
        return self.directory / TICKET

    def ticket(self) -> Archive:
        """The file of the ticket that was trained.

        Raises:
            TicketError: It is missing, damaged, or belongs to another training.
        """
        archive = open_archive(self.ticket_path, _TICKET, self._keep)
        self._check_place(archive.path, archive.header)
        return archive

    def outcome_archive(self) -> Archive:
        """The file of the arrays that the training gave, read by itself."""
        return open_archive(self.directory / OUTCOME, _OUTCOME, self._keep)

    def outcome(self) -> Outcome:
        """What the training gave.

        Raises:
            TicketError: A file is missing, damaged, or does not belong to the others.
        """
        ticket, archive = self.ticket(), self.outcome_archive()
        metrics = self._metrics()
        self._check_place(self.directory / METRICS, metrics)
        for name in ("masks_digest", "start"):
            what = "masks" if name == "masks_digest" else "weights"
            self._check_equal(archive.path, archive.header, ticket, name, what)
            self._check_equal(self.directory / METRICS, metrics, ticket, name, what)
        if metrics["files"][TICKET] != digest_of(ticket):
            raise TicketError(
                f"{ticket.path} is not the ticket that was trained: "
                f"{self.directory / METRICS} has another digest. Put back the file "
                "that the search wrote."
            )
        return _outcome(self.directory, metrics, archive)

    def cached_outcome(self, source: Path, key: str) -> Outcome:
        """The outcome of an equal training that another search did.

        Args:
            source: The directory of its files.
            key: The key of the training, see `Keys`.

        Raises:
            TicketError: It is missing, damaged, or of another training.
        """
        there = TrainingFiles(source, self._place, self._keep)
        metrics, archive = there._metrics(), there.outcome_archive()
        if metrics["key"] != key:
            raise TicketError(f"{source} holds a training with another key.")
        ticket = self.ticket()
        for name, what in (("masks_digest", "masks"), ("start", "weights")):
            self._check_equal(archive.path, archive.header, ticket, name, what)
        return _outcome(source, metrics, archive)

    def key(self) -> str | None:
        """The key of the training, if it has one.

        Raises:
            TicketError: `metrics.json` is missing or damaged.
        """
        key: str | None = self._metrics()["key"]
        return key

    def write_ticket(
        self, header: Mapping[str, Any], groups: Mapping[str, Any], masks: Any
    ) -> None:
        """Writes the ticket before it is trained."""
        place = {"kind": "round", "of": self._place.of, "search": self._place.search}
        save(self.ticket_path, groups, {**place, **header}, masks)

    def write_outcome(self, outcome: Outcome, masks: Any) -> None:
        """Writes the arrays that the training gave."""
        header = self.ticket().header
        groups = {"final": outcome.weights, "best": outcome.best_weights}
        step, groups["next"] = outcome.next_start or (None, {})
        values = {"kind": "outcome", "next_step": step}
        values |= {name: header[name] for name in ("start", "masks_digest")}
        values["record"] = digest(outcome.record())
        save(self.directory / OUTCOME, groups, values, masks)

    def write_metrics(self, outcome: Outcome, key: str | None) -> None:
        """Writes the numbers and the digests of the files: the training is finished."""
        ticket, archive = self.ticket(), self.outcome_archive()
        header = ticket.header
        metrics = {
            "of": self._place.of,
            "search": self._place.search,
            **{name: header[name] for name in ("start", "masks_digest")},
            "files": {TICKET: digest_of(ticket), OUTCOME: digest_of(archive)},
            "outcome": outcome.record(),
            "key": key,
        }
        write_record(self.directory / METRICS, metrics)

    def _metrics(self) -> dict[str, Any]:
        return read_record(self.directory / METRICS, _METRICS)

    def _check_place(self, path: Path, found: Mapping[str, Any]) -> None:
        if found["search"] != self._place.search:
            raise TicketError(
                f"{path} belongs to another search, with another plan, model or data "
                "than plan.json has. Put back the file that this search wrote."
            )
        if found["of"] != self._place.of:
            raise TicketError(
                f"{path} must be the file of {_in_words(self._place.of)}. Received: "
                f"that of {_in_words(found['of'])}. Put back the file that the search "
                "wrote there."
            )

    def _check_equal(
        self,
        path: Path,
        found: Mapping[str, Any],
        ticket: Archive,
        name: str,
        what: str,
    ) -> None:
        if found[name] != ticket.header[name]:
            raise TicketError(
                f"{path} holds the outcome of other {what} than those of "
                f"{ticket.path}. Remove {self.directory} to train it again."
            )


def _outcome(directory: Path, metrics: Mapping[str, Any], archive: Archive) -> Outcome:
    path, header = archive.path, archive.header
    of_record = header["record"] == digest(metrics["outcome"])
    if not of_record or metrics["files"][OUTCOME] != digest_of(archive):
        raise TicketError(
            f"{directory / METRICS} and {path} belong to different trainings: their "
            "digests of each other differ. Put back the files that the search wrote."
        )
    step = header["next_step"]
    return Outcome.of_record(
        metrics["outcome"],
        weights=archive.group("final"),
        best_weights=archive.group("best"),
        next_start=None if step is None else (step, archive.group("next")),
    )


def _in_words(of: Mapping[str, Any]) -> str:
    what = f"replicate {of['replicate']}, round {of['round']}"
    control = of["control"]
    return f"{what}, {control} {of['draw']}" if control else what
