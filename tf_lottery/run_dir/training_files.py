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
from tf_lottery.core.masks import Masks
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


# Where a training started, by what an error calls it.
_START = {"masks": "masks_digest", "weights": "start"}
_STARTED = dict.fromkeys(_START.values(), fields.name)
_IDENTITY = {
    "of": fields.record(
        {
            "replicate": fields.whole,
            "round": fields.whole,
            "control": fields.optional(fields.name),
            "draw": fields.whole,
        }
    ),
    "search": fields.name,
}
_ARCHIVE = {"kind": fields.name, "format": fields.whole}
_TICKET = fields.record(
    {
        **_ARCHIVE,
        **_IDENTITY,
        **_STARTED,
        "step": fields.whole,
        "follows": fields.optional(fields.name),
    },
    {"architecture": fields.optional(fields.mapping)},
)
_OUTCOME = fields.record(
    {
        **_ARCHIVE,
        **_STARTED,
        "next_step": fields.optional(fields.whole),
        "record": fields.name,
    }
)
_METRICS = fields.record(
    {
        **_IDENTITY,
        **_STARTED,
        "files": fields.record({TICKET: fields.name, OUTCOME: fields.name}),
        "outcome": RECORD,
        "key": fields.optional(_key),
    }
)


@dataclass(frozen=True)
class TrainingFiles:
    """Reads and writes the files of one training.

    They must belong to the search with this digest, and in it to the training `of`:
    replicate, round, control and draw. What reads raises a `TicketError` for a missing,
    damaged or exchanged file.
    """

    directory: Path
    search: str
    of: Mapping[str, Any]
    keep: object = None

    @property
    def ticket_path(self) -> Path:
        """The file of the ticket."""
        return self.directory / TICKET

    def ticket(self) -> Archive:
        """The file of the ticket that was trained."""
        archive = open_archive(self.ticket_path, _TICKET, self.keep)
        self._check_identity(archive.path, archive.header)
        return archive

    def outcome_archive(self) -> Archive:
        """The file of the arrays that the training gave, not compared with others."""
        return open_archive(self.directory / OUTCOME, _OUTCOME, self.keep)

    def outcome(self) -> Outcome:
        """What the training gave."""
        ticket, archive = self.ticket(), self.outcome_archive()
        metrics, path = self._metrics(), self.directory / METRICS
        self._check_identity(path, metrics)
        self._check_start(archive.path, archive.header, ticket)
        self._check_start(path, metrics, ticket)
        if metrics["files"][TICKET] != digest_of(ticket):
            raise TicketError(
                f"{ticket.path} is not the ticket that was trained: {path} has another "
                "digest. Put back the file that the search wrote."
            )
        return _outcome(path, metrics, archive)

    def cached_outcome(self, source: Path, key: str) -> Outcome:
        """The outcome of an equal training of another search."""
        there = TrainingFiles(source, "", {}, self.keep)
        metrics, archive = there._metrics(), there.outcome_archive()
        if metrics["key"] != key:
            raise TicketError(f"{source} holds a training with another key.")
        self._check_start(archive.path, archive.header, self.ticket())
        return _outcome(source / METRICS, metrics, archive)

    def key(self) -> str | None:
        """The key of the finished training, if it has one."""
        key: str | None = self._metrics()["key"]
        return key

    def write_ticket(
        self, header: Mapping[str, Any], groups: Mapping[str, Any], masks: Masks
    ) -> None:
        """Writes the ticket before it is trained."""
        values = {"kind": "round", "of": self.of, "search": self.search, **header}
        save(self.ticket_path, groups, values, masks)

    def write_outcome(self, outcome: Outcome, masks: Masks) -> None:
        """Writes the arrays that the training gave."""
        groups = {"final": outcome.weights, "best": outcome.best_weights}
        step, groups["next"] = outcome.next_start or (None, {})
        values = {
            "kind": "outcome",
            "next_step": step,
            **_start_of(self.ticket()),
            "record": digest(outcome.record()),
        }
        save(self.directory / OUTCOME, groups, values, masks)

    def write_metrics(self, outcome: Outcome, key: str | None) -> None:
        """Writes the numbers and the digests of the files: the training is finished."""
        ticket, archive = self.ticket(), self.outcome_archive()
        metrics = {
            "of": self.of,
            "search": self.search,
            **_start_of(ticket),
            "files": {TICKET: digest_of(ticket), OUTCOME: digest_of(archive)},
            "outcome": outcome.record(),
            "key": key,
        }
        write_record(self.directory / METRICS, metrics)

    def _metrics(self) -> dict[str, Any]:
        return read_record(self.directory / METRICS, _METRICS)

    def _check_identity(self, path: Path, found: Mapping[str, Any]) -> None:
        if found["search"] != self.search:
            raise TicketError(
                f"{path} belongs to another search, with another plan, model or data "
                "than plan.json has. Put back the file that this search wrote."
            )
        if found["of"] != self.of:
            raise TicketError(
                f"{path} must be the file of {_in_words(self.of)}. Received: that of "
                f"{_in_words(found['of'])}. Put back the file that the search wrote "
                "there."
            )

    def _check_start(
        self, path: Path, found: Mapping[str, Any], ticket: Archive
    ) -> None:
        for what, name in _START.items():
            if found[name] != ticket.header[name]:
                raise TicketError(
                    f"{path} holds the outcome of other {what} than those of "
                    f"{ticket.path}. Remove {self.directory} to train it again."
                )


def _start_of(ticket: Archive) -> dict[str, Any]:
    return {name: ticket.header[name] for name in ("start", "masks_digest")}


def _outcome(path: Path, metrics: Mapping[str, Any], archive: Archive) -> Outcome:
    header = archive.header
    of_record = header["record"] == digest(metrics["outcome"])
    if not of_record or metrics["files"][OUTCOME] != digest_of(archive):
        raise TicketError(
            f"{path} and {archive.path} belong to different trainings: their digests "
            "of each other differ. Put back the files that the search wrote."
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
