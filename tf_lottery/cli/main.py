"""The command `tf_lottery`: calls what does the work, and ends as its errors say."""

import os
import signal
import sys
import warnings
from typing import Any

from absl import app, flags, logging

from tf_lottery.cli.parsing import parse
from tf_lottery.core.errors import InvariantError

_MISTAKES = (
    ValueError,
    TypeError,
    OSError,
    FloatingPointError,
    RuntimeError,
    ImportError,  # of a package that an extra has; it says which
)


def run() -> None:
    """Entry point of the command line."""
    app.run(main, flags_parser=parse)


def main(arguments: Any) -> None:
    """Runs a command. A user's mistake ends in one line, a bug in a traceback."""
    from tf_lottery.search.leaving import Leaving

    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)  # tfds logs each file it reads
    warnings.formatwarning = lambda message, *_, **__: f"Warning: {message}\n"
    searches = arguments.command in ("find", "sweep")
    try:
        with Leaving("The same command continues where it was." * searches):
            from tf_lottery.cli import commands

            getattr(commands, arguments.command)(arguments)
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:  # `tf_lottery show ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except _MISTAKES as error:
        if arguments.debug or isinstance(error, InvariantError):
            raise
        sys.exit(f"tf_lottery {arguments.command}: {error}")
