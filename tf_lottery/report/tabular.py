"""Tables: defined once by columns of cells, shown on a terminal and on the page."""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import rich.box
import rich.table

from tf_lottery.core.words import printable
from tf_lottery.report.console import paper
from tf_lottery.verdict import formats
from tf_lottery.verdict.difference import STEP, Difference
from tf_lottery.verdict.spread import Spread

BOTH, TERMINAL, PAGE = "both", "terminal", "page"


@dataclass(frozen=True)
class Cell:
    """The content of one cell.

    Only the page shows `notes`, further lines, and the `look`: "up", "down" or
    "strong".
    """

    text: str
    below: str = ""
    notes: tuple[str, ...] = ()
    look: str = ""


@dataclass(frozen=True)
class Column:
    """A column: its heading, and a function from the values of a row to its cell.

    `where` is `TERMINAL` or `PAGE` if only one of them shows it.
    """

    head: str
    cell: Callable[..., Cell | str | int]
    where: str = BOTH
    is_text: bool = False


@dataclass(frozen=True)
class Table:
    """Columns, and the values of each row, from which each column makes a cell.

    `chosen` is the index of the row of the returned ticket, `named_by` that of the
    column that names a row on the page.
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
    paper(file, width, markup=False, emoji=False).print(view)
    return printable("\n".join(map(str.rstrip, file.getvalue().splitlines())))


def spread(found: Spread | None, metric: str) -> Cell:
    """The mean of a score, and below it the minimum and the maximum."""
    if found is None:
        return Cell("-")
    return Cell(formats.score(found.mean), formats.extremes(found, metric))


def steps(found: Spread | None) -> Cell:
    """The mean of the best steps; the page also shows minimum and maximum."""
    if found is None:
        return Cell("-")
    extremes = formats.extremes(found, STEP)
    return Cell(formats.step(found.mean), notes=(extremes,) if extremes else ())


def gain(difference: Difference | None) -> Cell:
    """By how much the ticket is better, and below it the interval of that."""
    if difference is None:
        return Cell("-")
    count = f"better in {difference.better_in} of {len(difference)}"
    return Cell(
        formats.signed(difference, difference.gain.mean),
        formats.interval(difference),
        (count,) if len(difference) > 1 else (),
        {1: "up", 0: "", -1: "down"}[difference.resolved],
    )


def yes(claim: bool) -> str:
    """A claim in a word."""
    return "yes" if claim else "no"


def _lines(cell: Cell) -> str:
    """Both lines of a cell; the second is narrower without zeros before the point."""
    below = re.sub(r"(?<!\d)0\.", ".", cell.below)
    return f"{cell.text}\n{below}".rstrip("\n")
