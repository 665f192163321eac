"""The command `tf_lottery`: parses, and calls what does the work."""

import os
import shlex
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

from absl import app, flags, logging
from absl.flags import argparse_flags

from tf_lottery._version import __version__
from tf_lottery.cli import flags as plan_flags
from tf_lottery.cli.recipes import DTYPE_POLICIES
from tf_lottery.core.errors import InvariantError
from tf_lottery.core.near_names import meant
from tf_lottery.run_dir.names import EXPORTS

_MISTAKES = (
    ValueError,
    TypeError,
    OSError,
    FloatingPointError,
    RuntimeError,
    ImportError,  # of a package that an extra has; it says which
)
# What `find` and `sweep` have in common.
_SEARCHING: dict[str, dict[str, Any]] = {
    "recipe": {"help": "a Python file with PLAN, model() and dataset()"},
    "--overwrite": {
        "action": "store_true",
        "help": "remove the search or sweep that is there, and start again",
    },
    "--keras": {
        "choices": ("tf_keras", "keras3"),
        "help": "which Keras makes the networks of tf_lottery.zoo; default: keras3 if "
        "the recipe imports `keras`, else tf_keras where it is installed",
    },
    "--dtype_policy": {
        "choices": DTYPE_POLICIES,
        "help": "the dtype policy of Keras under which the recipe's model is made; "
        "masks, weights and outputs stay in float32",
    },
    "--limit_batches": {
        "type": int,
        "help": "use only this many batches of each data set, to try a recipe out",
    },
    "--verbose": {
        "type": int,
        "choices": (0, 1, 2),
        "default": 1,
        "help": "as in Keras",
    },
}
_PATH = {
    "path": {
        "help": "a run directory, a folder or a sweep that holds some, or a "
        "ticket.safetensors"
    }
}


class _Command(NamedTuple):
    """A command: one line about it, its arguments, and more about it."""

    summary: str
    arguments: dict[str, dict[str, Any]]
    more: str = ""


_COMMANDS = {
    "find": _Command(
        "finds a winning ticket of a recipe",
        {
            **_SEARCHING,
            "--run_dir": {"help": "default: runs/NAME_OF_THE_RECIPE"},
            "--share_with": {
                "help": "a directory where searches share their finished trainings"
            },
            "--strategy": {
                "choices": ("mirrored", "multiworker", "tpu"),
                "help": "train on several devices; multiworker reads TF_CONFIG",
            },
            "--export": {
                "choices": EXPORTS,
                "help": "export the ticket to run_dir when it is found",
            },
        },
        "Trains, prunes and rewinds as the recipe's PLAN says, writes everything to a "
        "run directory, and continues there when it is called again.",
    ),
    "init": _Command(
        "writes a recipe to begin with",
        {"path": {"help": "the Python file to write, such as my_recipe.py"}},
        "The file has a small model and data that run as they are. Put your own in "
        "their place, then call `tf_lottery find` with it.",
    ),
    "sweep": _Command(
        "sweeps over ways to find tickets, with Keras Tuner",
        {
            **_SEARCHING,
            "--tuner": {
                "choices": ("random", "bayesian", "hyperband", "grid"),
                "default": "random",
                "help": "default: random",
            },
            "--max_trials": {
                "type": int,
                "help": "default: 10, or the whole of a grid",
            },
            "--objective": {
                "default": "smallest_winning_density",
                "help": "one or several, like winning_score,density; with a direction, "
                "like winning_score:min, if a loss is monitored "
                "(default: smallest_winning_density)",
            },
            "--vary": {
                "nargs": "+",
                "metavar": "NAME=VALUES",
                "help": "fields of the plan, like pruning_rate=0.1,0.2 "
                "scope=layerwise,global; default: the space of the recipe, else "
                "tf_lottery.lottery_space",
            },
            "--directory": {
                "default": "runs",
                "help": "the sweep is written to PROJECT_NAME in it; default: runs",
            },
            "--project_name": {"help": "default: sweep_NAME_OF_THE_RECIPE"},
        },
        "Each trial is a search; trials share the trainings that they have in common. "
        "The recipe may have space(hp), which returns fields of its plan, and "
        "hypermodel(hp), which returns a model; hp is Keras Tuner's HyperParameters. "
        "Flags of the plan are fixed. The same command continues a stopped sweep.",
    ),
    "show": _Command("prints a run directory or a ticket file", _PATH),
    "report": _Command(
        "writes the report of a search: one HTML page, its figures and numbers",
        {
            "run_dir": {},
            "--tensorboard": {
                "action": "store_true",
                "help": "also write scalars and hyperparameters for TensorBoard",
            },
            "--compare": {
                "nargs": "+",
                "default": (),
                "metavar": "NAME=RUN_DIR",
                "help": "compare this search with others in a table and a figure; a "
                "directory of run directories counts as one search, such as one-shot "
                "pruning to several densities",
            },
        },
        "Writes into the run directory: report.html, one page that needs no network; "
        "accuracy.png, curves.png, layers.png; figures.csv with the numbers of the "
        "figures, summary.csv with a line per training, summary.json with everything.",
    ),
    "export": _Command(
        "writes a ticket as a SavedModel, Keras, TFLite or ONNX file",
        {
            **_PATH,
            "--format": {
                "choices": EXPORTS,
                "help": "default: that of --output, else saved_model",
            },
            "--output": {
                "help": "default: next to the ticket, named after it and the format"
            },
            "--round": {
                "type": int,
                "help": "the round to export from a run directory; default: that of "
                "its ticket",
            },
            "--recipe": {
                "help": "a Python file, which is run: its data are used to check the "
                "exported file, and it defines the classes of the model that are not "
                "of Keras"
            },
            "--overwrite": {
                "action": "store_true",
                "help": "replace the file that is there",
            },
            **{f"--{name}": how for name, how in plan_flags.EXPORT.items()},
        },
        "Writes the trained ticket as a smaller file, runs that file and compares it "
        "with the ticket. A card next to the file says what was measured.",
    ),
    "verify": _Command(
        "derives every mask again from the saved weights, and checks every hash",
        {
            **_PATH,
            "--run_code": {
                "action": "store_true",
                "help": "import and call the criterion that the search names, if it is "
                "not one of tf_lottery's: only for run directories that you trust",
            },
        },
    ),
}


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
    for name, (summary, flags_of, more) in _COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            allow_abbrev=False,
            description=more or f"{summary[0].upper()}{summary[1:]}.",
        )
        command.add_argument("--debug", action="store_true", help="show tracebacks")
        for flag, how in flags_of.items():
            command.add_argument(flag, **how)
        if name in ("find", "sweep"):
            plan_flags.add(command)
    try:
        arguments, unknown = parser.parse_known_args(list(map(_named, argv[1:])))
    except flags.Error as error:  # such as a flag file that is not there
        parser.error(str(error))
    if unknown:
        own = [f"--{name}" for name in vars(arguments)]
        hint = meant(unknown[0].partition("=")[0], own)
        parser.error(f"unrecognized arguments: {' '.join(unknown)}.{hint}")
    arguments.typed = shlex.join(["tf_lottery", *argv[1:]])
    return arguments


def _named(argument: str) -> str:
    """A flag by its name: `--run-dir` is `--run_dir`."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return f"--{name[2:].replace('-', '_')}{equals}{value}"


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
