"""What a notebook shows of a value: paragraphs and tables, with all text escaped."""

from collections.abc import Iterable, Sequence
from html import escape

from tf_lottery.core.words import printable


def paragraph(text: str) -> str:
    """A paragraph of plain text.

    Example:
        >>> paragraph("4 < 5")
        '<p>4 &lt; 5</p>'
    """
    return f"<p>{_escaped(text)}</p>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of plain texts; the first column names its row."""
    lines = [_row([_cell("th", text) for text in head])]
    for name, *cells in rows:
        lines.append(_row([_cell("th", name), *(_cell("td", text) for text in cells)]))
    return f"<table>{''.join(lines)}</table>"


def _row(cells: Sequence[str]) -> str:
    return f"<tr>{''.join(cells)}</tr>"


def _cell(kind: str, text: str) -> str:
    return f"<{kind}>{_escaped(text)}</{kind}>"


def _escaped(text: str) -> str:
    return escape(printable(text)).replace("\n", "<br>")
