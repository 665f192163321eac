"""What identifies a sweep, so that its directory is no other sweep's to go on with."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_lottery.core.archive import write_json
from tf_lottery.core.errors import PlanMismatchError

FILE = "sweep.json"


Facts = Mapping[str, Mapping[str, Any]]  # plain values by name, and by their subject


def write(directory: Path, facts: Facts) -> None:
    """Writes what a sweep is into its directory, unless it is there."""
    check(directory, facts)
    if not (directory / FILE).exists():
        directory.mkdir(parents=True, exist_ok=True)
        write_json(directory / FILE, facts)


def check(directory: Path, facts: Facts) -> None:
    """Raises if a directory holds another sweep; it may hold none.

    Args:
        directory: The tuner's.
        facts: Of the sweep, as far as they are known yet.

    Raises:
        PlanMismatchError: The directory holds another sweep.
    """
    path = directory / FILE
    if not path.exists():
        return
    found = json.loads(path.read_text())
    for about, ours in json.loads(json.dumps(facts)).items():
        theirs = found.get(about, {})
        for name in dict.fromkeys([*ours, *theirs]):
            there, here = (of.get(name, "nothing") for of in (theirs, ours))
            if there != here:
                raise PlanMismatchError(
                    f"{directory} holds another sweep: {_unequal(about, name)} is "
                    f"{there} there and {here} here. Pass `overwrite=True` "
                    "(`--overwrite`) to start anew, or another `project_name`."
                )


def _unequal(about: str, name: str) -> str:
    if name == "compile_config":
        return (
            "its model is compiled otherwise, the hash of optimizer, loss and metrics"
        )
    if name == "architecture":
        return "it is of another model, whose hash"
    return f"its {about} {name!r}"
