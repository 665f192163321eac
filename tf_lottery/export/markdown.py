"""Text of files and users in Markdown: it steers neither a table nor a page."""

from collections.abc import Iterable, Sequence

from tf_lottery.core.words import printable


def plain(text: str) -> str:
    r"""The text in one line, with what Markdown and HTML would read written out.

    Example:
        >>> plain("a|b\n<i>")
        'a\\|b &lt;i>'
    """
    line = " ".join(printable(text).split())
    return line.replace("|", "\\|").replace("<", "&lt;")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of plain texts."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(plain, line))} |" for line in lines)
