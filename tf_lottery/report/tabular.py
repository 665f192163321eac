"""A table: defined once by its columns, shown on a terminal and on the page."""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import rich.box
import rich.console
import rich.table

from tf_lottery.core.words import printable
from tf_lottery.report.cells import Cell

BOTH, TERMINAL, PAGE = "both", "terminal", "page"


@dataclass(frozen=True)
class Column:
    """A column: its heading, and a function from the values of a row to its cell.

    Attributes:
        head: The heading; may have several lines.
        cell: From the values of a row to a cell, or to its text.
        where: `TERMINAL` or `PAGE` if only one of them shows it.
        is_text: Whether it holds words, not numbers.
    """

    head: str
    cell: Callable[..., Cell | str | int]
    where: str = BOTH
    is_text: bool = False


@dataclass(frozen=True)
class Table:
    """Columns, and the values of each row.

    Attributes:
        columns: The columns, from left to right.
        rows: The values of each row, from which each column makes a cell.
        chosen: The index of the row of the returned ticket, if there is one.
        named_by: The column that names a row, counted on the page.
    """

    columns: Sequence[Column]
    rows: Sequence[tuple[Any, ...]]
    chosen: int | None = None
    named_by: int = 0

    def shown_on(self, place: str) -> list[Column]:
        """The columns that the terminal or the page shows."""
        return [each for each in self.columns if each.where in (BOTH, place)]

    def cells(self, row: tuple[Any, ...], place: str) -> list[tuple[Column, Cell]]:
        """The cells of a row, each with its column."""
        made = [(column, column.cell(*row)) for column in self.shown_on(place)]
        return [(c, m if isinstance(m, Cell) else Cell(str(m))) for c, m in made]


def as_text(table: Table, width: int = 88) -> str:
    """The table for a terminal of so many columns."""
    view = rich.table.Table(
        box=rich.box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False
    )
    for column in table.shown_on(TERMINAL):
        view.add_column(column.head, justify="left" if column.is_text else "right")
    if table.chosen is not None:
        view.add_column("")
    for number, row in enumerate(table.rows):
        mark = "<- ticket" if number == table.chosen else ""
        lines = (_lines(cell) for _, cell in table.cells(row, TERMINAL))
        view.add_row(*lines, *([] if table.chosen is None else [mark]))
    file = io.StringIO()
    # Names come from files and models of anyone: nothing in them is markup.
    rich.console.Console(
        file=file, width=width, color_system=None, markup=False, emoji=False
    ).print(view)
    return printable("\n".join(map(str.rstrip, file.getvalue().splitlines())))


def _lines(cell: Cell) -> str:
    """Both lines of a cell; the second is narrower without zeros before the point."""
    below = re.sub(r"(?<!\d)0\.", ".", cell.below)
    return f"{cell.text}\n{below}".rstrip("\n")
