"""How many steps one call of a model may take."""

_SECONDS = 2.0  # that a call may last: Python sees a signal at its end


class Pace:
    """Grows and shrinks calls, so that a signal is answered in seconds.

    A pace begins with few steps, as the speed of the data is unknown, and at most
    doubles: batches that were read ahead come faster than later ones.

    Args:
        least, most: The steps that a call may take.
    """

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most
        self.size = least

    def measured(self, steps: int, seconds: float) -> None:
        """Notes how long a call took."""
        fitting = int(_SECONDS * steps / max(seconds, 1e-9))
        self.size = max(self._least, min(self._most, 2 * self.size, fitting))
