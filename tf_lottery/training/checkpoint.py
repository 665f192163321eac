"""The record of one training while it goes on; it can be written and continued."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tf_lottery.core.archive import Archive, PathLike, save
from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import State, Weights
from tf_lottery.core.spoiled import not_finite, unmasked
from tf_lottery.core.words import warn

# A checkpoint may take this share of the time since the last one.
_SHARE = 0.05


@dataclass
class Run:
    """What a training has seen so far.

    Attributes:
        step: The optimizer step, counted from the initialisation.
        curves: Lists of equal length, one value a validation pass.
        best_step: The step of minimum validation loss so far.
        best_loss: The validation loss there.
        best_metrics: All values there.
        best_weights: The weights there; the only copy that is kept.
        next_start: The step and the state where later tickets start, once seen.
        logs: The last training metrics.
        seconds: Time spent before the run was continued.
    """

    step: int
    curves: dict[str, list[float]] = field(default_factory=dict)
    best_step: int = -1
    best_loss: float = np.inf
    best_metrics: dict[str, float] = field(default_factory=dict)
    best_weights: Weights = field(default_factory=dict)
    next_start: tuple[int, State] | None = None
    logs: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> "Run":
        """The run that `record` described, without its arrays."""
        run = cls(**record)
        if run.best_loss is None:  # JSON has no infinity
            run.best_loss = np.inf
        return run

    def record(self) -> dict[str, Any]:
        """Everything but the arrays, as plain values."""
        fields: tuple[str, ...] = ("step", "curves", "logs", "seconds")
        fields += ("best_step", "best_loss", "best_metrics")
        return {name: getattr(self, name) for name in fields}

    def note(self, values: dict[str, float]) -> None:
        """Appends the values of a validation pass to the curves.

        Of two passes at one step the second counts.
        """
        if self.curves.get("step", [])[-1:] == [self.step]:
            for curve in self.curves.values():
                del curve[-1]
        for name, value in {"step": self.step, **values}.items():
            self.curves.setdefault(name, []).append(value)


class Checkpoint:
    """The file from which a training continues after it was stopped.

    Writing is skipped where it would take more than a twentieth of the time
    since the last one.

    Args:
        path: The file; it is there only while the training goes on.
        masks: Those of the ticket that is trained.
        key: What identifies the training, but for its length; by default its masks.
        stays: Whether it stays when the training is finished, for longer ones to go
            on from.
    """

    def __init__(
        self,
        path: PathLike,
        masks: Masks,
        key: str | None = None,
        *,
        stays: bool = False,
    ) -> None:
        self.path = Path(path)
        self._masks = masks
        self._key = key or masks.digest()
        self._stays = stays
        self._cost = 0.0
        self._written = time.monotonic()

    @property
    def step(self) -> int:
        """The step to continue from; 0 if there is none."""
        archive = self._archive()
        return 0 if archive is None else archive.header["run"]["step"]

    def extends(self, start: int | None, step: int) -> bool:
        """Whether a finished training goes on here, on the way to a later step.

        Args:
            start: The step where later tickets start, if the longer one passes it.
            step: The last step of the longer one.
        """
        archive = self._archive()
        if archive is None or not archive.header["ends"] or self.step >= step:
            return False
        passed = start if start is not None and start <= self.step else None
        return bool(archive.header["next_step"] == passed)

    def check(self, start: State | None = None) -> None:
        """Reads all of it.

        Args:
            start: The state that the training began with, which may hold infinities.

        Raises:
            TicketError: It is damaged, or no training can go on from it.
        """
        archive = Archive(self.path)
        try:
            Run.of_record(archive.header["run"])
            next_digest = archive.header["next_digest"]
        except (KeyError, TypeError, AttributeError) as error:
            raise TicketError(f"{self.path} is damaged: {error!r}.") from error
        for path in self.files():
            each = Archive(path)
            if path != self.path and each.digest != next_digest:
                raise TicketError(f"{path} is not the one that {self.path} needs.")
            for _ in each.values():
                pass
        if names := self.spoiled(start or {}):
            raise TicketError(f"{self.path} is spoiled in {names[0]!r}.")

    def spoiled(self, start: State) -> list[str]:
        """What of it no training can go on from: NaN, pruned weights that returned.

        Args:
            start: The state that the training began with, which may hold infinities.
        """
        archive = self._archive()
        if archive is None:
            return []
        state = archive.group("state")
        return [*not_finite(state, start), *unmasked(state, self._masks)]

    def forget_unusable(self, start: State) -> None:
        """Removes what is damaged or spoiled: the training begins again, with a word.

        Args:
            start: The state that the training began with.
        """
        try:
            if self._archive() is not None:
                self.check(start)
        except (TicketError, FileNotFoundError) as error:
            warn(f"{error} The training that it belongs to begins again.")
            self._remove()

    def load(self) -> tuple[Run, State] | None:
        """The run so far and the state to continue from, if there is one."""
        archive = self._archive()
        if archive is None:
            return None
        header = archive.header
        run = Run.of_record(header["run"])
        run.best_weights = dict(archive.group("best"))
        if (step := header["next_step"]) is not None:
            run.next_start = step, Archive(self._kept_path("next")).group("kept")
        return run, archive.group("state")

    def keep(self, name: str, arrays: State) -> State:
        """Writes arrays beside the checkpoint; they are then read from there."""
        return save(self._kept_path(name), {"kept": arrays}, {}).group("kept")

    def is_due(self, *, ends: bool = False) -> bool:
        """Whether `save` writes now."""
        waited = time.monotonic() - self._written
        return self._cost <= _SHARE * waited or (ends and self._stays)

    def save(self, run: Run, live: Any, *, ends: bool = False) -> None:
        """Writes the run and the live state, if it is time.

        Args:
            run: The run so far.
            live: The model's variables.
            ends: Whether the training ends here, as a longer one would pass here.
        """
        if not self.is_due(ends=ends):
            return
        started = time.monotonic()
        groups = {"state": live.view(), "best": run.best_weights}
        step, digest = None, None
        if run.next_start:
            step, digest = run.next_start[0], Archive(self._kept_path("next")).digest
        header = {
            "run": run.record(),
            "next_step": step,
            "next_digest": digest,
            "key": self._key,
            "ends": ends,
        }
        save(self.path, groups, header, self._masks)
        self._written = time.monotonic()
        self._cost = self._written - started

    def files(self) -> list[Path]:
        """What a longer training needs; the last one says that all are there."""
        has_next = Archive(self.path).header["next_step"] is not None
        return [self._kept_path("next")] * has_next + [self.path]

    def finish(self) -> None:
        """Removes the files of a training that is finished, but for what stays."""
        stay: list[Path] = []
        if self._stays and self.path.exists():
            with contextlib.suppress(TicketError, KeyError):  # a damaged one goes
                stay = self.files() if Archive(self.path).header["ends"] else []
        self._remove(stay)

    def _remove(self, stay: Sequence[Path] = ()) -> None:
        for path in self.path.parent.glob(f"{self.path.stem}*{self.path.suffix}"):
            if path not in stay:
                path.unlink()

    def _archive(self) -> Archive | None:
        if not self.path.exists():
            return None
        archive = Archive(self.path)
        # That of another training is not continued.
        return archive if archive.header.get("key") == self._key else None

    def _kept_path(self, name: str) -> Path:
        return self.path.with_stem(f"{self.path.stem}_{name}")
