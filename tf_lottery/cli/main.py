"""The command `tf_lottery`: parses, and calls what does the work."""

import os
import shlex
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from absl import app, flags, logging
from absl.flags import argparse_flags

from tf_lottery._version import __version__
from tf_lottery.cli import flags as plan_flags
from tf_lottery.cli.recipes import DTYPE_POLICIES
from tf_lottery.core.errors import InvariantError
from tf_lottery.run_dir.names import EXPORTS

TUNERS = ("random", "bayesian", "hyperband", "grid")
_PATH = "a run directory, or a ticket.safetensors"
_MISTAKES = (ValueError, TypeError, OSError, FloatingPointError, RuntimeError)


def run() -> None:
    """Entry point of the command line."""
    app.run(main, flags_parser=parse)


def parse(argv: Sequence[str]) -> Any:
    """The arguments, with flag files read (`--flagfile`, after the command)."""
    parser = argparse_flags.ArgumentParser(
        prog="tf_lottery",
        description="Finds lottery tickets in Keras models.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (_find, _sweep, _show, _report, _export, _verify):
        add(commands)
    try:
        arguments = parser.parse_args(argv[1:])
    except flags.Error as error:  # such as a flag file that is not there
        parser.error(str(error))
    arguments.typed = shlex.join(["tf_lottery", *argv[1:]])
    return arguments


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


def _find(commands: Any) -> None:
    parser = _command(
        commands,
        "find",
        "finds a winning ticket of a recipe",
        "Trains, prunes and rewinds as the recipe's PLAN says, writes everything to a "
        "run directory, and continues there when it is called again.",
    )
    _add_searching(parser)
    parser.add_argument("--run_dir", help="default: runs/NAME_OF_THE_RECIPE")
    parser.add_argument(
        "--share_with",
        help="a directory where searches share their finished trainings",
    )
    parser.add_argument(
        "--strategy",
        choices=("mirrored", "multiworker", "tpu"),
        help="train on several devices; multiworker reads TF_CONFIG",
    )
    parser.add_argument(
        "--export",
        choices=EXPORTS,
        help="export the ticket to run_dir when it is found",
    )


def _sweep(commands: Any) -> None:
    parser = _command(
        commands,
        "sweep",
        "sweeps over ways to find tickets, with Keras Tuner",
        "Each trial is a search; trials share the trainings that they have in common. "
        "The recipe may have space(hp), which returns fields of its plan, and "
        "hypermodel(hp), which returns a model; hp is Keras Tuner's HyperParameters. "
        "Flags of the plan are fixed. The same command continues a stopped sweep.",
    )
    _add_searching(parser)
    parser.add_argument(
        "--tuner", choices=TUNERS, default="random", help="default: random"
    )
    parser.add_argument(
        "--max_trials", type=int, help="default: 10, or the whole of a grid"
    )
    parser.add_argument(
        "--objective",
        default="smallest_winning_density",
        help="one or several, like winning_score,density; with a direction, like "
        "winning_score:min, if a loss is monitored "
        "(default: smallest_winning_density)",
    )
    parser.add_argument(
        "--vary",
        nargs="+",
        metavar="NAME=VALUES",
        help="fields of the plan, like pruning_rate=0.1,0.2 scope=layerwise,global; "
        "default: the space of the recipe, else tf_lottery.lottery_space",
    )
    parser.add_argument("--directory", default="runs", help="default: runs")
    parser.add_argument("--project_name", help="default: sweep_NAME_OF_THE_RECIPE")


def _add_searching(parser: Any) -> None:
    """Adds what `find` and `sweep` have in common."""
    parser.add_argument("recipe", help="a Python file with PLAN, model() and dataset()")
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="remove what is in the directory of the search or sweep, and start again",
    )
    parser.add_argument(
        "--dtype_policy",
        choices=DTYPE_POLICIES,
        help="the dtype policy of Keras under which the recipe's model is made; masks, "
        "weights and outputs stay in float32",
    )
    parser.add_argument(
        "--limit_batches",
        type=int,
        help="use only this many batches of each data set, to try a recipe out",
    )
    parser.add_argument(
        "--verbose", type=int, choices=(0, 1, 2), default=1, help="as in Keras"
    )
    plan_flags.add(parser)


def _show(commands: Any) -> None:
    parser = _command(commands, "show", "prints a run directory or a ticket file")
    parser.add_argument("path", help=_PATH)


def _report(commands: Any) -> None:
    parser = _command(
        commands,
        "report",
        "writes the report of a search: one HTML page, its figures and numbers",
        "Writes into the run directory: report.html, one page that needs no network; "
        "accuracy.png, curves.png, layers.png; figures.csv with the numbers of the "
        "figures, summary.csv with a line per training, summary.json with everything.",
    )
    parser.add_argument("run_dir")
    parser.add_argument(
        "--tensorboard",
        action="store_true",
        help="also write scalars and hyperparameters for TensorBoard",
    )
    parser.add_argument(
        "--compare",
        nargs="+",
        default=(),
        metavar="NAME=RUN_DIR",
        help="compare this search with others in a table and a figure; a directory of "
        "run directories counts as one search, such as one-shot pruning to several "
        "densities",
    )


def _export(commands: Any) -> None:
    parser = _command(
        commands,
        "export",
        "writes a ticket as a SavedModel, a Keras file or a TFLite file",
        "Writes the trained ticket as a smaller file, runs that file and compares it "
        "with the ticket. A card next to the file says what was measured.",
    )
    parser.add_argument("path", help=_PATH)
    parser.add_argument(
        "--format", choices=EXPORTS, help="default: that of --output, else saved_model"
    )
    parser.add_argument(
        "--output", help="default: next to the ticket, named after it and the format"
    )
    parser.add_argument(
        "--round",
        type=int,
        help="the round to export from a run directory; default: that of its ticket",
    )
    parser.add_argument(
        "--recipe",
        help="a Python file, which is run: its data are used to check the exported "
        "file, and it defines the classes of the model that are not of Keras",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the file that is there"
    )
    plan_flags.add_export(parser)


def _verify(commands: Any) -> None:
    parser = _command(
        commands,
        "verify",
        "derives every mask again from the saved weights, and checks every hash",
    )
    parser.add_argument("path", help=_PATH)
    parser.add_argument(
        "--run_code",
        action="store_true",
        help="import and call the criterion that the search names, if it is not one of "
        "tf_lottery's: only for run directories that you trust",
    )


def _command(commands: Any, name: str, summary: str, description: str = "") -> Any:
    parser = commands.add_parser(
        name,
        help=summary,
        allow_abbrev=False,
        description=description or f"{summary[0].upper()}{summary[1:]}.",
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser
