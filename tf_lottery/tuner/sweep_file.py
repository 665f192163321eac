"""The directory of a sweep, in which no other sweep may continue.

`sweep.json` says which sweep it is: oracle, space, objective, plan, model and data. A
damaged file in the directory is a `TicketError`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_lottery.core.archive import write_json
from tf_lottery.core.errors import PlanMismatchError, TicketError

_FILE = "sweep.json"
Facts = Mapping[str, Mapping[str, Any]]  # plain values by name, by subject
_UNEQUAL = {
    "compile_config": "the hash of the model's optimizer, loss and metrics",
    "architecture": "the hash of the model",
    "side_by_side": "the number of trials side by side",
}


def side_by_side(directory: Path) -> tuple[str | int, int] | None:
    """What the sweep of a directory asked for, and how many trials share a program.

    None without a sweep.
    """
    if not (directory / _FILE).exists():
        return None
    found = _read(directory / _FILE).get("trials")  # `check` says that it is missing
    return (found["asked"], found["side_by_side"]) if found else None


def write(directory: Path, facts: Facts) -> None:
    """Writes which sweep a directory holds, or checks it if it is written already."""
    check(directory, facts)
    if not (directory / _FILE).exists():
        directory.mkdir(parents=True, exist_ok=True)
        write_json(directory / _FILE, facts)


def check(directory: Path, facts: Facts) -> None:
    """Raises unless a directory holds this sweep, as far as it is known, or none."""
    paths = [*directory.glob("*.json"), *directory.glob("trial_*/trial.json")]
    found = {path.name: _read(path) for path in paths}.get(_FILE)
    if found is None:
        return
    for about, ours in json.loads(json.dumps(facts)).items():
        theirs = found.get(about, {})
        for name in dict.fromkeys([*ours, *theirs]):
            there, here = (of.get(name, "nothing") for of in (theirs, ours))
            if there != here:
                what = _UNEQUAL.get(name, f"its {about} {name!r}")
                raise PlanMismatchError(
                    f"{directory} holds another sweep: {what} is {there} there and "
                    f"{here} here. Pass `overwrite=True` (`--overwrite`) to start "
                    "again, or another `project_name`."
                )


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise TicketError(
            f"{path} is damaged: {error}. Remove it and tuner0.json: an oracle with "
            "the same seed proposes the same trials again, and they are read from "
            "their run directories. Or pass another `project_name`."
        ) from error
