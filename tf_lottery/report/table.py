"""The table of a search: one line a round."""

import io

import rich.box
import rich.console
import rich.table

from tf_lottery.core.records import History


def table(history: History, width: int = 88) -> str:
    """The rounds as text; the one that was chosen is marked.

    Args:
        history: `ticket.history`, or that of a run directory.
        width: Columns of the terminal.
    """
    chosen = history.verdict().chosen
    columns = _columns(history)
    view = rich.table.Table(box=rich.box.SIMPLE_HEAD)
    for name in columns:
        view.add_column(name, justify="right")
    view.add_column("")
    for row in history.rows():
        cells = [_cell(name, row.get(key)) for name, key in columns.items()]
        view.add_row(*cells, "<- ticket" if row["round"] == chosen else "")
    text = io.StringIO()
    rich.console.Console(file=text, width=width).print(view)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def test_name(history: History) -> str:
    """The test figure of the monitored score."""
    return f"test_{history.monitor.removeprefix('val_')}"


def _columns(history: History) -> dict[str, str]:
    """Column heads to the keys of a row."""
    columns = {"round": "round", "density": "density"}
    columns |= {history.monitor: history.monitor}
    if test_name(history) in history[0].outcome.metrics:
        columns |= {test_name(history): test_name(history)}
    return columns | {"best step": "best_step", "seconds": "seconds"}


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if name == "density":
        return f"{value:.1%}"
    if name == "seconds":
        return f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
