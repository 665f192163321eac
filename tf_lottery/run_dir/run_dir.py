"""The run directory of a search: what is finished is not trained again.

plan.json             the plan, hashes of the model and the data, versions
replicate_0/          what was trained, see `ReplicateDir`
ticket.safetensors    the ticket that was returned
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tf_lottery.core import archive, fields
from tf_lottery.core.errors import TicketError
from tf_lottery.core.history import History, Round
from tf_lottery.core.plan import Plan
from tf_lottery.core.words import warn
from tf_lottery.run_dir.manifest import compare, search_digest
from tf_lottery.run_dir.names import PLAN, TICKET, directory_name, numbered
from tf_lottery.run_dir.removing import clear, holds_training, remove_unfinished
from tf_lottery.run_dir.replicate_dir import ReplicateDir
from tf_lottery.run_dir.returned import check_known
from tf_lottery.run_dir.sealed import read_record, write_record
from tf_lottery.run_dir.writable import locked, make_directory
from tf_lottery.run_dir.writer import Writer

_Read = TypeVar("_Read")
_TRIES = 5
_WHERE = ("versions", "devices", "machine")
_FIELDS = fields.record(
    {
        "plan": fields.mapping,
        "architecture": fields.text,
        "compile_config": fields.each(fields.text),
        "data": fields.anything,
        "monitor": fields.name,
        "maximize": fields.boolean,
    },
    {
        **dict.fromkeys(("devices", "recipe"), fields.optional(fields.name)),
        **dict.fromkeys(("layers", "versions", "machine"), fields.mapping),
        "together": fields.whole,
        **dict.fromkeys(
            ("values", "modules", "first_batches"), fields.each(fields.text)
        ),
    },
    others=fields.anything,
)


class RunDir:
    """Reads and writes a run directory, which is made when it is opened.

    What reads raises a `TicketError` for another directory, or a damaged file. `keep`
    must live as long as the arrays that are read, such as a temporary directory.
    """

    def __init__(self, path: archive.PathLike, keep: object = None) -> None:
        self.path = Path(path)
        self._keep = keep
        self._search: str | None = None
        self._writer: Writer | None = None

    @contextlib.contextmanager
    def open(self, manifest: Mapping[str, Any], *, overwrite: bool) -> Iterator[None]:
        """Locks the directory for a search, and checks that it holds no other one.

        With `overwrite`, the search that is there is removed. At the end it waits for
        what is being written.
        """
        make_directory("run_dir", self.path)
        with locked(self.path):
            if overwrite:
                clear(self.path)
            manifest = self._checked(manifest)
            remove_unfinished(self.path)
            write_record(self.path / PLAN, manifest)
            self._search = search_digest(manifest)
            with Writer() as self._writer:
                yield
            self._writer = None

    def together(self) -> tuple[str | int, int] | None:
        """What its search asked for, and how many trainings share a program.

        None without a search.
        """
        if not (self.path / PLAN).exists():
            return None
        manifest = self.manifest()
        asked = Plan.from_json(manifest["plan"]).together
        return asked, int(manifest.get("together", 1))

    def manifest(self) -> dict[str, Any]:
        """What `plan.json` holds."""
        path = self.path / PLAN
        if not path.exists() and not path.is_symlink():
            raise TicketError(
                f"{self.path} must be a run directory. Received: a path without a "
                f"{PLAN} in it."
            )
        first = self.path / "replicate_0" / "round_00" / "ticket.npz"
        if first.exists() and '"digest"' not in path.read_text(errors="replace"):
            raise TicketError(
                f"{self.path} holds a search of an earlier version of tf_lottery, "
                "which this one cannot read. Use another directory, or pass "
                "`overwrite=True` (`--overwrite`) to search again."
            )
        manifest = read_record(path, _is_manifest)
        self._search = search_digest(manifest)
        return manifest

    def replicate_dir(self, number: int = 0) -> ReplicateDir:
        """The trainings of a replicate."""
        if self._search is None:
            self.manifest()
        assert self._search is not None
        path = self.path / directory_name("replicate", number)
        return ReplicateDir(path, number, self._search, self._keep, self._writer)

    def history(self) -> History:
        """The finished trainings of the plan; arrays load lazily, without TensorFlow.

        Trainings of an earlier call for which the plan does not ask are left out. A
        returned ticket that belongs to other trainings is a `TicketError`.
        """
        return self.settled(self._history)

    def _history(self) -> History:
        history = self.trainings()
        check_known(self.path / TICKET, history)
        return history

    def settled(self, read: Callable[[], _Read]) -> _Read:
        """What a function reads; read again if a search began or ended meanwhile."""
        for _ in range(_TRIES):
            before = self._written()
            try:
                found = read()
            except (TicketError, FileNotFoundError):
                if before == self._written():
                    raise
            else:
                if before == self._written():
                    return found
        return read()

    def _written(self) -> list[tuple[int, int]]:
        """Which versions there are of the files that a search writes first and last."""
        found = []
        for name in (PLAN, TICKET):
            with contextlib.suppress(OSError):
                status = (self.path / name).stat()
                found.append((status.st_ino, status.st_mtime_ns))
        return found

    def trainings(self) -> History:
        """Like `history`, but does not check the returned ticket."""
        manifest = self.manifest()
        plan = Plan.from_json(manifest["plan"])
        found: dict[int, tuple[Round, ...]] = {}
        controls: list[Round] = []
        for number in self._replicates(plan):
            own = plan.of_replicate(number)
            replicate_dir = self.replicate_dir(number)
            if rounds := replicate_dir.rounds(own):
                found[number] = rounds
                controls += replicate_dir.controls(own, rounds)
        # A replicate that is missing keeps its place.
        places = range(max(found, default=0) + 1)
        return History(
            tuple(found.get(number, ()) for number in places),
            plan,
            manifest["monitor"],
            manifest["maximize"],
            tuple(controls),
        )

    def left(self, plan: Plan) -> int:
        """How many trainings of a plan are not finished."""
        directories = map(self.replicate_dir, self._replicates(plan))
        return plan.count() - sum(len(each.trained(plan)) for each in directories)

    def _replicates(self, plan: Plan) -> list[int]:
        """The replicates of a plan that have a directory."""
        found = numbered(self.path, "replicate")
        return [number for number in found if number < plan.replicates]

    def _checked(self, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
        """The manifest to write; raises if the directory holds another search."""
        if not (self.path / PLAN).exists():
            if holds_training(self.path):
                raise ValueError(
                    f"{self.path} holds rounds without a plan.json, so they cannot be "
                    "continued. Pass `overwrite=True` (`--overwrite`) to start again, "
                    "or another `run_dir`."
                )
            return manifest
        found = self.manifest()
        compare(found, manifest, self.path)
        self._check_returned()
        # Of a warning only: each later call with other data gets it again.
        if "first_batches" in found:
            manifest = {**manifest, "first_batches": found["first_batches"]}
        if self.left(Plan.from_json(manifest["plan"])) == 0:
            return {**manifest, **{name: found.get(name) for name in _WHERE}}
        for name in ("versions", "devices"):
            there, here = found.get(name), manifest.get(name)
            if there != here:
                warn(
                    f"{self.path} was started with other {name}: {there}, and now "
                    f"{here}. The rounds that follow may differ from those that it "
                    "would have had there."
                )
        return manifest

    def _check_returned(self) -> None:
        """Raises if the returned ticket belongs to another search.

        If a training that it knows is missing, the ticket is removed: the search
        does the training again, and writes the ticket again.
        """
        try:
            history = self.trainings()
        except TicketError:
            return  # the search reads the damaged training later, and says so
        if not check_known(self.path / TICKET, history):
            (self.path / TICKET).unlink()


def load_history(run_dir: archive.PathLike) -> History:
    """The history of a search, from its run directory, without TensorFlow.

    Arrays load when they are asked for.

    Args:
        run_dir: The `run_dir` of `find_ticket` or `tf_lottery find`.

    Raises:
        TicketError: It is not a run directory, or a file is damaged.

    Example:
        ```python
        print(tf_lottery.judge(tf_lottery.load_history("runs/lenet")))
        ```
    """
    return RunDir(run_dir).history()


def _is_manifest(where: str, value: Any) -> None:
    _FIELDS(where, value)
    Plan.from_json(value["plan"])
