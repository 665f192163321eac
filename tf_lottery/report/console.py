"""Consoles of rich that write text, in notebooks too.

In a notebook rich would send HTML to the cell, also what is to be written elsewhere.
"""

from typing import Any, TextIO

import rich.console


def screen(**options: Any) -> rich.console.Console:
    """What a person watches: standard output. A notebook gets lines without a bar."""
    if rich.console.Console().is_jupyter:
        # Kernels say in FORCE_COLOR that they are terminals; they cannot move a cursor.
        options |= {"force_jupyter": False, "force_terminal": False}
    return rich.console.Console(highlight=False, **options)


def paper(file: TextIO, width: int, **options: Any) -> rich.console.Console:
    """What writes plain text of so many columns into a file."""
    return rich.console.Console(
        file=file, width=width, color_system=None, force_jupyter=False, **options
    )
