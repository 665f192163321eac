"""Errors of tf_lottery; other bad input raises a ValueError or a TypeError."""

from tf_lottery.core.words import printable


class PlanMismatchError(ValueError):
    """A run directory holds a search with another plan, model or data."""


class TicketError(ValueError):
    """A ticket is damaged, or does not belong to this model.

    Its message may contain text of a file, and is made safe to print.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(str(message)))


class InvariantError(RuntimeError):
    """An invariant of the search does not hold: a bug of tf_lottery.

    The command line shows its traceback. Please report it.
    """


class ExportError(ValueError):
    """A ticket cannot be exported in this way, or the file would differ from it."""
