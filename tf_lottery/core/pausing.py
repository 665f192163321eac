"""How a search waits for something that another one does.

Trainings that run side by side take turns: one that waits must not stop the others.
"""

import contextvars
import time
from collections.abc import Callable

_SECONDS = 0.05
_pause = contextvars.ContextVar[Callable[[], None] | None]("_pause", default=None)


def pause() -> None:
    """Waits a moment, in which trainings side by side with this one go on."""
    (_pause.get() or sleep)()


def sleep() -> None:
    """Waits a moment."""
    time.sleep(_SECONDS)


def use(function: Callable[[], None]) -> None:
    """Makes a function the `pause` of this thread."""
    _pause.set(function)
