"""A request to stop a search, for when its exception gets lost.

A signal handler raises wherever the program is. In some places, such as finalizers and
callbacks of native code, Python and TensorFlow discard exceptions. So the exception is
also noted here, and the training loop looks for it.
"""

from collections.abc import Callable

_asked: list[BaseException] = []


def ask(error: BaseException) -> None:
    """Notes an exception that is raised to stop a search."""
    _asked.append(error)


def forget() -> None:
    """Forgets it: the search has ended."""
    _asked.clear()


def check() -> None:
    """Raises the noted exception, if there is one."""
    if _asked:
        raise _asked[-1]


def insist(wait: Callable[[], object]) -> BaseException | None:
    """Calls what must not be left unfinished, again if a signal interrupts it.

    Returns what interrupted it last. An error of its own is raised.
    """
    interrupted = None
    while True:
        try:
            wait()
            return interrupted
        except (KeyboardInterrupt, SystemExit) as error:  # of the signals' handlers
            interrupted = error
