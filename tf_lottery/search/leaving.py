"""Leaving a search: Ctrl-C, SIGTERM and SIGHUP end it within seconds, with one line.

A search can be left anywhere: what is finished is in the run directory, and files
appear whole or not at all. SIGTERM and SIGHUP end it as Ctrl-C does, which removes its
lock and its temporary files.
"""

import contextvars
import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any

from tf_lottery.core import stopping
from tf_lottery.core.archive import PathLike

# The signals that a search handles, unless the program has another handler.
_SIGNALS: dict[signal.Signals, Any] = {
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
    signal.SIGINT: signal.default_int_handler,
}
_inside = contextvars.ContextVar("_inside", default=False)


class Ended(SystemExit):
    """A signal ended the process; the exit code is 128 plus the signal's number."""


class Leaving:
    """While it is entered, a search can be left; the outermost says how to continue.

    Signals are only handled in the main thread, and only if the program does not handle
    them. With several workers they are not handled: a worker that waits for another one
    could not react. `goes_on` says in words how to continue.
    """

    def __init__(self, goes_on: str) -> None:
        self._goes_on = goes_on
        self._signal = 0
        self._taken: list[signal.Signals] = []

    def __enter__(self) -> None:
        self._token = _inside.set(True) if not _inside.get() else None
        main = threading.current_thread() is threading.main_thread()
        if self._token is None or not main or "TF_CONFIG" in os.environ:
            return
        for number, default in _SIGNALS.items():
            if signal.getsignal(number) is default:
                signal.signal(number, self._end)
                self._taken.append(number)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._token is None:
            return
        _inside.reset(self._token)
        if self._taken:
            stopping.forget()
        for number in self._taken:
            signal.signal(number, _SIGNALS[number])
        # TensorFlow replaces an error that is raised in its callbacks by its own.
        is_signal = error is not None and self._signal
        if is_signal or isinstance(error, KeyboardInterrupt):
            where = getattr(error, "where", "")
            line = f"Stopped{where}. {self._goes_on}".strip()
            begin = "\n" * sys.stderr.isatty()  # after the "^C" of a terminal
            print(f"{begin}{line}", file=sys.stderr, flush=True)
            # `from None` leaves out the frames of TensorFlow and of the search.
            if is_signal and self._signal != signal.SIGINT:
                raise Ended(128 + self._signal) from None
            raise KeyboardInterrupt from None

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        is_key = number == signal.SIGINT
        error = KeyboardInterrupt() if is_key else Ended(128 + number)
        stopping.ask(error)
        raise error


def goes_on(call: str, run_dir: PathLike | None) -> str:
    """How to continue a search that was left, in words."""
    if run_dir is None:
        return "Its temporary directory is gone: pass `run_dir` to be able to continue."
    return (
        f"Call {call} with the same run_dir, {str(run_dir)!r}, to continue from its "
        "last checkpoint."
    )


def note(error: BaseException, what: str, step: int) -> None:
    """Notes on an error that ends a search where the search was."""
    if isinstance(error, KeyboardInterrupt | Ended):
        where = f" in {what} at step {step:,}"
        error.where = where  # type: ignore[union-attr]
