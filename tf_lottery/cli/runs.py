"""The run directories that a path names, one or several, and what they hold."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tf_lottery import report as reports
from tf_lottery.core.errors import TicketError
from tf_lottery.core.history import History
from tf_lottery.run_dir.names import PLAN
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.run_dir.verify import gaps
from tf_lottery.search.find import chosen


def runs_of(path: Path) -> list[Path]:
    """The run directory at a path, or the ones in it, such as the trials of a sweep.

    Raises:
        TicketError: There is none.
    """
    if (path / PLAN).exists():
        return [path]
    # The deepest is a trial of a sweep in a folder in this one.
    depths = ("/".join("*" * levels) for levels in range(1, 5))
    found = {at.parent for depth in depths for at in path.glob(f"{depth}/{PLAN}")}
    if not found:
        raise TicketError(
            f"{path} must be a run directory, or a folder that holds some. Received: a "
            f"folder without a {PLAN}."
        )
    return sorted(found)


def one_run(path: Path, command: str) -> Path:
    """The run directory at a path, for a command that needs exactly one."""
    found = runs_of(path)
    if len(found) == 1:
        return found[0]
    named = ", ".join(map(str, found[:5])) + ", ..." * (len(found) > 5)
    raise ValueError(
        f"`{command}` needs one run directory. {path} holds {len(found)}: {named}. "
        "`tf_lottery show` lists what they found."
    )


def each_run(path: Path, work: Callable[[Path], None]) -> None:
    """Does the work in each run directory of `runs_of`.

    Of several, a line names those that have just begun or are damaged.

    Raises:
        TicketError: One is damaged; of several, the others were worked on.
    """
    found, damaged = runs_of(path), 0
    for run_dir in found:
        try:
            if len(found) == 1 or len(RunDir(run_dir).history()):
                work(run_dir)
            else:
                print(line_of(run_dir))
        except TicketError as error:
            if len(found) == 1:
                raise
            print(f"{run_dir}: {error}")
            damaged += 1
    if damaged:
        raise TicketError(f"{damaged} of {len(found)} run directories are damaged.")


def line_of(run_dir: Path) -> str:
    """A run in one line: what is finished, and its ticket."""
    history: History = RunDir(run_dir).history()
    of = history.plan.rounds + 1
    if not len(history):
        return f"{run_dir}: no finished round of {of}"
    ticket = repr(chosen(history)).strip("<>")
    return f"{run_dir}: {len(history)} of {of} rounds. {ticket}"


def finished(run_dir: Path) -> History:
    """The history of a run directory, which must have a finished round."""
    history = RunDir(run_dir).history()
    if not len(history):
        missing = gaps(RunDir(run_dir), history.plan)
        raise ValueError(
            missing[0] if missing else f"{run_dir} holds no finished round yet."
        )
    return history


def compared_with(
    history: History, others: Sequence[str], run_dir: Path
) -> reports.Comparison | None:
    """The search compared with others, like "one-shot=RUN_DIR"; None without any."""
    if not others:
        return None
    own = run_dir.resolve().name
    named: dict[str, list[History]] = {own: [history]}
    for other in others:
        name, _, path = other.partition("=")
        if not name or not path or name == own:
            raise ValueError(
                "`--compare` must be like one-shot=RUN_DIR, with a name that is not "
                f"{own!r}, the name of this search. Received: {other!r}."
            )
        at = [Path(path) / "plan.json", *Path(path).glob("*/plan.json")]
        at = at[:1] if at[0].exists() else at[1:]
        found = [p.parent for p in at if p.parent.resolve() != run_dir.resolve()]
        if not found:
            raise ValueError(f"{path} is not another run directory, and holds none.")
        named.setdefault(name, []).extend(map(finished, found))
    return reports.compared(named)
