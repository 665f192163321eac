"""The run directory: what a search has done, so that nothing is done twice.

plan.json             plan, model and data by their hashes, versions
replicate_0/          what was trained, see `Replicate`
ticket.safetensors    the ticket that was returned
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
from tf_lottery.core.errors import TicketError
from tf_lottery.core.plan import Plan
from tf_lottery.core.records import History, Round
from tf_lottery.core.warn import warn
from tf_lottery.search.facts import compare
from tf_lottery.search.replicate import Replicate, reading

_WHERE = ("versions", "devices", "machine")
_FACTS = ("architecture", "compile_config", "data", "monitor", "maximize")
# What an export of the ticket is called, by its format.
EXPORTS = {
    "saved_model": "ticket_saved_model",
    "keras": "ticket.keras",
    "tflite": "ticket.tflite",
}
_OURS = (
    *("plan.json", "ticket.safetensors", "summary.csv", "summary.json", "figures.csv"),
    *("accuracy.png", "curves.png", "layers.png", "report.html", "tensorboard"),
    *("comparison.png", "comparison.csv", "comparison.json"),
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
        first = self.path / "replicate_0" / "round_00" / "ticket.npz"
        if first.exists() and not first.with_suffix(".safetensors").exists():
            raise TicketError(
                f"{self.path} holds a search of an earlier version of tf_lottery, "
                "which this one cannot read. Use another directory, or pass "
                "`overwrite=True` (`--overwrite`) to search again."
            )
        with reading(path):
            facts: dict[str, Any] = json.loads(path.read_text())
            Plan.from_json(facts["plan"])
            missing = [name for name in _FACTS if name not in facts]
            if missing:
                raise ValueError(f"it lacks {', '.join(missing)}")
        return facts

    def replicate(self, number: int = 0) -> Replicate:
        """The trainings of a replicate."""
        return Replicate(self.path / f"replicate_{number}", number, self._keep)

    def history(self) -> History:
        """What is finished of the plan, read without TensorFlow; arrays load lazily.

        There may be more than the plan, of an earlier call, that it asks for no more.

        Raises:
            TicketError: It is no run directory, or damaged.
        """
        facts = self.facts()
        plan = Plan.from_json(facts["plan"])
        replicates: list[tuple[Round, ...]] = []
        controls: list[Round] = []
        for number in range(plan.replicates):
            own = plan.of_replicate(number)
            replicate = self.replicate(number)
            rounds = replicate.rounds(own)
            replicates.append(rounds)
            controls += replicate.controls(own, rounds)
        while len(replicates) > 1 and not replicates[-1]:
            del replicates[-1]  # not begun
        return History(
            tuple(replicates),
            plan,
            facts["monitor"],
            facts["maximize"],
            tuple(controls),
        )

    def left(self, plan: Plan) -> int:
        """How many trainings of a plan are not finished."""
        trainings = plan.trainings()
        return sum(
            not self.replicate(number).has_outcome(*training)
            for number in range(plan.replicates)
            for training in trainings
        )

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
        """The facts to write; raises if the directory holds another search."""
        if (self.path / "plan.json").exists():
            found = self.facts()
            compare(found, facts, self.path)
            if self.left(Plan.from_json(facts["plan"])) == 0:
                facts = {**facts, **{k: found.get(k) for k in _WHERE}}
            for name in ("versions", "devices"):
                there, here = found.get(name), facts.get(name)
                if there != here:
                    warn(
                        f"{self.path} was begun with other {name}, {there} and not "
                        f"{here}: the rounds to come may differ from what it would "
                        "have given."
                    )
            return facts
        if self.replicate().path.exists():
            raise ValueError(
                f"{self.path} holds rounds without a plan.json, so they cannot be "
                "continued. Pass `overwrite=True` (`--overwrite`) to start anew, or "
                "another `run_dir`."
            )
        return facts

    def _clear(self) -> None:
        """Removes the search that is there, and no file of anyone else."""
        replicates = list(self.path.glob("replicate_*"))
        if not replicates and not (self.path / "plan.json").exists():
            return
        for directory in replicates:
            shutil.rmtree(directory)
        for name in _OURS:
            _remove(self.path / name)


def load_history(run_dir: io.PathLike) -> History:
    """The history of a search, from its run directory, without TensorFlow.

    Arrays load when they are asked for.

    Args:
        run_dir: That of `find_ticket` or `tf_lottery find`.

    Raises:
        TicketError: It is no run directory, or damaged.

    Example:
        ```python
        print(tf_lottery.load_history("runs/lenet").verdict())
        ```
    """
    return Store(run_dir).history()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
