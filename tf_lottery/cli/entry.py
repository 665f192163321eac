"""The entry point of the command: Ctrl-C ends it with one line, even while it loads."""

import sys


def run() -> None:
    """Runs the command `tf_lottery`."""
    try:
        from tf_lottery.cli.main import run as main

        main()
    except KeyboardInterrupt:
        print("Stopped. Nothing was begun.", file=sys.stderr)
        sys.exit(130)
