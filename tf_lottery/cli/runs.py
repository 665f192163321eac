"""The run directories that a path names: one, or those in a folder or a sweep."""

from pathlib import Path

from tf_lottery.core.errors import TicketError
from tf_lottery.core.history import History
from tf_lottery.run_dir.names import PLAN
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.search.find import chosen


def runs_of(path: Path) -> list[Path]:
    """The run directory at a path, or the ones in it, such as the trials of a sweep.

    Raises:
        TicketError: There is none.
    """
    if (path / PLAN).exists():
        return [path]
    found = {at.parent for depth in ("*", "*/*") for at in path.glob(f"{depth}/{PLAN}")}
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


def line_of(run_dir: Path) -> str:
    """A run in one line: what is finished, and its ticket."""
    history: History = RunDir(run_dir).history()
    of = history.plan.rounds + 1
    if not len(history):
        return f"{run_dir}: no finished round of {of}"
    ticket = repr(chosen(history)).strip("<>")
    return f"{run_dir}: {len(history)} of {of} rounds. {ticket}"
