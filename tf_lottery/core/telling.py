"""The line of an error that says what went wrong, without traces of graphs."""

import re

_LONGEST = 300  # characters
# What TensorFlow writes around the line: headers, places in files and in graphs.
_AROUND = re.compile(
    r"Graph execution error:|Detected at node|File \"|<stack traces|Traceback \("
    r"|\[\[|\d+ root error|\(\d+\) |Original stack trace|During handling of"
    r"|in user code:"
)

_PLACE = re.compile(r"^\{\{.*?\}\} | \[\[\{\{.*| \[Op:.*")  # of an operation


def telling_line(error: BaseException) -> str:
    """The type of an error and the line of its message that says what happened."""
    text = str(error)
    lines = [line for line in text.splitlines() if line.strip()]
    # What is indented is code, or belongs to a place in a file.
    plain = [line for line in lines if not line[0].isspace()]
    found = [line for line in plain if not _AROUND.match(line)] or lines or [""]
    line = _PLACE.sub("", found[0]).strip().rstrip(".")
    if len(line) > _LONGEST:
        line = f"{line[:_LONGEST]}.."
    return f"{type(error).__name__}: {line}" if line else type(error).__name__
