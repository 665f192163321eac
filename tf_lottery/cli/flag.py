"""What the command line knows of a flag and of a command, before any parser is made."""

import argparse
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple


class Flag(NamedTuple):
    """A flag, or an argument without a name.

    Args:
        text: What it does.
        default: What happens without it, in words; empty if it must be given.
        example: A value of it. Empty: it is a switch, without a value.
        how: How argparse reads it.
    """

    text: str
    default: str = ""
    example: str = ""
    how: Mapping[str, Any] = {}

    @property
    def takes_value(self) -> bool:
        """Whether a value follows its name."""
        return "action" not in self.how

    @property
    def can_be_off(self) -> bool:
        """Whether `--no-NAME` turns it off."""
        return self.how.get("action") is argparse.BooleanOptionalAction

    @property
    def choices(self) -> tuple[str, ...]:
        """All values that it can have; empty if there are others."""
        return tuple(map(str, self.how.get("choices") or ()))

    def typed(self, name: str) -> str:
        """The example as it is typed in a shell."""
        if not self.takes_value:
            return f"--{name}"
        if self.how.get("nargs"):
            return f"--{name} {self.example}"
        return f"--{name}={shlex.quote(self.example)}"

    def help(self, name: str) -> str:
        """What the help says of it."""
        return f"{self.text} (default: {self.default}; example: {self.typed(name)})"


class Command(NamedTuple):
    """A command of `tf_lottery`.

    Args:
        summary: What it does, in one line.
        example: A call of it, as it is typed in a shell.
        arguments: The arguments without a name, which must be given.
        flags: The flags by their names, without those of a plan.
        more: More about what it does.
        has_plan: Whether it also has a flag for each field of a plan.
    """

    summary: str
    example: str
    arguments: Mapping[str, Flag]
    flags: Mapping[str, Flag]
    more: str = ""
    has_plan: bool = False
