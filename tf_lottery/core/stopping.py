"""What asked a search to stop, where an exception alone could get lost.

A handler of signals raises wherever Python is, and Python and TensorFlow discard what
is raised in some places: finalizers, callbacks of native code. So it is noted, too,
and the training loop looks.
"""

_asked: list[BaseException] = []


def ask(error: BaseException) -> None:
    """Takes note of an error that is raised to stop a search."""
    _asked.append(error)


def forget() -> None:
    """Takes note that the search has stopped, or ended before."""
    _asked.clear()


def check() -> None:
    """Raises what asked to stop, if anything did."""
    if _asked:
        raise _asked[-1]
