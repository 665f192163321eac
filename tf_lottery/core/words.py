"""What people read: durations, text of files and errors, warnings, and silence."""

import contextlib
import logging
import os
import re
import sys
import threading
import warnings
from collections.abc import Iterator

_LONGEST = 300  # characters
# What TensorFlow writes around the line: headers, places in files and in graphs.
_AROUND = re.compile(
    r"Graph execution error:|Detected at node|File \"|<stack traces|Traceback \("
    r"|\[\[|\d+ root error|\(\d+\) |Original stack trace|During handling of"
    r"|in user code:|Exception encountered when calling |Arguments received by "
)
_PLACE = re.compile(r"^\{\{.*?\}\} | \[\[\{\{.*| \[Op:.*")  # of an operation
_BOLD = re.compile("\x1b\\[\\d*m")  # of Keras, around the error of a layer
_INNER = ("tf_lottery.", "tf_keras.")
_STDERR = threading.RLock()


def duration(seconds: float) -> str:
    """A time, in units that a person counts in.

    Example:
        >>> duration(8.34), duration(131), duration(3900)
        ('8.3 s', '2 min 11 s', '1 h 05 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.1f} s"


def printable(text: str) -> str:
    r"""The text with its control characters written out; line ends stay.

    Text of a file cannot steer a terminal then.

    Example:
        >>> printable("won\x1b[2J")
        'won\\x1b[2J'
    """
    return "".join(
        each
        if each.isprintable() or each == "\n"
        else each.encode("unicode_escape").decode()
        for each in text
    )


def telling_line(error: BaseException) -> str:
    """The type of an error, and the line of its message that says what happened."""
    text = _BOLD.sub("", str(error))
    lines = [line for line in text.splitlines() if line.strip()]
    # Indented lines are code, or belong to a place in a file.
    plain = [line for line in lines if not line[0].isspace()]
    found = [line for line in plain if not _AROUND.match(line)] or lines or [""]
    line = _PLACE.sub("", found[0]).strip().rstrip(".")
    if len(line) > _LONGEST:
        line = f"{line[:_LONGEST]}.."
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def warn(message: str) -> None:
    """Warns at the user's line: the first caller outside this package and Keras."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(_INNER):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences standard error, including output of native code that no setting stops.

    TensorFlow's log, too, which a notebook shows in the cell. Stream and log are the
    process's: threads that want silence take turns.
    """
    log = logging.getLogger("tensorflow")
    with _STDERR:
        level = log.level
        log.setLevel(logging.CRITICAL)
        sys.stderr.flush()
        kept = os.dup(2)
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            log.setLevel(level)
