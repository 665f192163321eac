"""Three errors of our own; everything else is a ValueError or a TypeError."""


class PlanMismatchError(ValueError):
    """A run directory holds a search with another plan, model or data."""


class TicketError(ValueError):
    """A ticket is damaged, or does not belong to this model."""


class ExportError(ValueError):
    """A ticket cannot be exported as asked, or the file would not be the ticket."""
