"""Reads the command line: from words to arguments, or to an error that helps."""

import argparse
import shlex
from collections.abc import Sequence
from typing import Any

from absl import flags
from absl.flags import argparse_flags

from tf_lottery._version import __version__
from tf_lottery.cli.command_list import COMMANDS, all_flags, own_flags
from tf_lottery.cli.flags import add_plan
from tf_lottery.core.near_names import meant

_FIRST_STEPS = """\
first steps:
  tf_lottery init my_recipe.py            writes a recipe that runs as it is
  tf_lottery find my_recipe.py            finds a ticket, in runs/my_recipe
  tf_lottery show runs/my_recipe          prints what was found
  tf_lottery export runs/my_recipe --format=tflite
  tf_lottery find --help                  shows all flags of a command"""
_FILES = "--flagfile=FILE reads flags from a file, one on each line."


class _Formatter(argparse.HelpFormatter):
    """Wraps each paragraph on its own, and keeps indented lines as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = text.splitlines()
        wrap = super()._fill_text
        return "\n".join(
            line if line.startswith("  ") else wrap(line, width, indent)
            for line in lines
        )


def parse(argv: Sequence[str]) -> Any:
    """The arguments of a command; `argv` begins with the program's name.

    Flags of a file (`--flagfile`) are put in its place. `--run-dir` is `--run_dir`.

    Raises:
        SystemExit: The help was asked for, or there is a mistake, which is printed.
    """
    parser, commands = _parsers()
    try:
        words = flags.FLAGS.read_flags_from_files(list(argv[1:]))
    except flags.Error as error:  # such as a flag file that is not there
        parser.error(str(error).removeprefix("ERROR:: "))
    words = list(map(_named, words))
    if words and not words[0].startswith("-") and words[0] not in COMMANDS:
        parser.error(
            f"{words[0]!r} is not a command.{meant(words[0], COMMANDS)} "
            f"The commands are {', '.join(COMMANDS)}."
        )
    arguments, unknown = parser.parse_known_args(words)
    if unknown:
        known = [*all_flags(arguments.command), "flagfile", "help"]
        name, names = unknown[0].partition("=")[0], [f"--{name}" for name in known]
        hint = " Put flags after the command." if name in names else meant(name, names)
        commands[arguments.command].error(
            f"unrecognized arguments: {' '.join(unknown)}.{hint}"
        )
    arguments.typed = shlex.join(["tf_lottery", *argv[1:]])
    return arguments


def _parsers() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser, and those of its commands."""
    parser = argparse_flags.ArgumentParser(
        prog="tf_lottery",
        description="Finds lottery tickets in Keras models.",
        epilog=_FIRST_STEPS,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        _add(commands, name)
    return parser, commands.choices


def _add(commands: Any, name: str) -> None:
    """Adds the parser of a command."""
    command = COMMANDS[name]
    summary = command.summary
    parser = commands.add_parser(
        name,
        usage=" ".join([f"tf_lottery {name}", *command.arguments, "[flags]"]),
        help=summary,
        description=command.more or f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"{_FILES}\n\nexample:\n  {command.example}",
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    for argument, what in command.arguments.items():
        parser.add_argument(argument, help=what.text, **what.how)
    for flag, what in own_flags(name).items():
        parser.add_argument(f"--{flag}", help=what.help(flag), **what.how)
    if command.has_plan:
        add_plan(parser)


def _named(argument: str) -> str:
    """A flag by its name: `--run-dir` is `--run_dir`, and --no_compact --no-compact."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument[2:].partition("=")
    name = name.replace("-", "_")
    if name.startswith("no_"):  # as argparse calls a switch that is off
        name = f"no-{name[3:]}"
    return f"--{name}{equals}{value}"
