"""The record of one training while it runs; a stopped training continues from it."""

import time
from collections.abc import Callable
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

# Writing a checkpoint may take this fraction of the time since the last one.
_SHARE = 0.05
_SMALL = 2**26  # bytes that an outcome may keep in memory until it is written


@dataclass
class Run:
    """What a training has seen until `step`, counted from the initialisation.

    Attributes:
        curves: Lists of equal length, one value per validation pass.
        best_step, best_loss, best_metrics: The minimum of validation loss so far.
        best_weights: The weights there; the only copy that is kept.
        next_start: The step and the state where later tickets start, once reached.
        logs: The last training metrics.
        seconds: The time that training took.
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
        """Everything except the arrays, as plain values."""
        arrays = ("best_weights", "next_start")
        return {name: vars(self)[name] for name in vars(self) if name not in arrays}

    def note(self, values: dict[str, float]) -> None:
        """Appends the values of a validation pass to the curves.

        If there are two passes at one step, the second one replaces the first.
        """
        if self.curves.get("step", [])[-1:] == [self.step]:
            for curve in self.curves.values():
                del curve[-1]
        for name, value in {"step": self.step, **values}.items():
            self.curves.setdefault(name, []).append(value)


class Checkpoint:
    """The file from which a training continues after it was stopped.

    Args:
        path: The file; it exists only during the training.
        masks: The masks of the ticket that is trained.
        key: Identifies the training; default: the digest of its masks.
        wait: Called before anything is written: waits for what must be there first.
    """

    def __init__(
        self,
        path: PathLike,
        masks: Masks,
        key: str | None = None,
        wait: Callable[[], None] = lambda: None,
    ) -> None:
        self.path = Path(path)
        self._masks = masks
        self._key = key or masks.digest()
        self._wait = wait
        self._cost = 0.0
        self._written = time.monotonic()

    @property
    def step(self) -> int:
        """The step to continue from; 0 if there is none."""
        archive = self._archive()
        return 0 if archive is None else archive.header["run"]["step"]

    def forget_unusable(self, start: State) -> None:
        """Removes a damaged or spoiled checkpoint, with a warning.

        Infinities that the training started with are not spoiled.
        """
        try:
            if (archive := self._archive()) is not None:
                self._check(archive, start)
        except (TicketError, FileNotFoundError) as error:
            warn(f"{error} The training that it belongs to begins again.")
            self.finish()

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
        """Writes arrays to a file next to the checkpoint; they are read from there."""
        self._wait()
        return save(self._kept_path(name), {"kept": arrays}, {}).group("kept")

    def hold(self, name: str, arrays: State) -> State:
        """Like `keep`, but few arrays stay in memory: for what no checkpoint needs."""
        held, size = dict[str, Any](), 0
        for each in arrays:
            held[each] = np.array(arrays[each])
            size += held[each].nbytes
            if size > _SMALL:
                del held
                return self.keep(name, arrays)
        return held

    def is_due(self) -> bool:
        """Whether `save` writes now."""
        return self._cost <= _SHARE * (time.monotonic() - self._written)

    def save(self, run: Run, live: Any) -> None:
        """Writes the run so far and the model's variables, if it is time."""
        if not self.is_due():
            return
        self._wait()
        started = time.monotonic()
        groups = {"state": live.view(), "best": run.best_weights}
        header: dict[str, Any] = {"run": run.record(), "key": self._key}
        header |= {"next_step": None, "next_digest": None}
        if run.next_start:
            header["next_step"] = run.next_start[0]
            header["next_digest"] = Archive(self._kept_path("next")).digest
        save(self.path, groups, header, self._masks)
        self._written = time.monotonic()
        self._cost = self._written - started

    def finish(self) -> None:
        """Removes the files of a training that is finished."""
        for path in self.path.parent.glob(f"{self.path.stem}*{self.path.suffix}"):
            path.unlink()

    def _check(self, archive: Archive, start: State) -> None:
        """Reads all of it; raises if a training cannot continue from it."""
        try:
            Run.of_record(archive.header["run"])
            next_digest = archive.header["next_digest"]
        except (KeyError, TypeError, AttributeError) as error:
            raise TicketError(f"{self.path} is damaged: {error!r}.") from error
        needed = [archive]
        if next_digest is not None:
            needed.append(Archive(path := self._kept_path("next")))
            if needed[-1].digest != next_digest:
                raise TicketError(f"{path} is not the one that {self.path} needs.")
        for each in needed:
            for _ in each.values():
                pass
        state = archive.group("state")
        if names := [*not_finite(state, start), *unmasked(state, self._masks)]:
            raise TicketError(f"{self.path} is spoiled in {names[0]!r}.")

    def _archive(self) -> Archive | None:
        if not self.path.exists():
            return None
        archive = Archive(self.path)
        # The checkpoint of another training is not continued.
        return archive if archive.header.get("key") == self._key else None

    def _kept_path(self, name: str) -> Path:
        return self.path.with_stem(f"{self.path.stem}_{name}")
