"""What identifies a sweep, so that its directory is no other sweep's to go on with."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_lottery.core.errors import PlanMismatchError
from tf_lottery.core.io import write_json

FILE = "sweep.json"


def check(directory: Path, facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes what a sweep is into its directory; raises if another one is there.

    Args:
        directory: The tuner's.
        facts: Plain values by name, and these by what they are about.

    Raises:
        PlanMismatchError: The directory holds another sweep.
    """
    path = directory / FILE
    facts = json.loads(json.dumps(facts))
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        write_json(path, facts)
        return
    found = json.loads(path.read_text())
    for about, ours in facts.items():
        theirs = found.get(about, {})
        for name in dict.fromkeys([*ours, *theirs]):
            there, here = (of.get(name, "nothing") for of in (theirs, ours))
            if there != here:
                raise PlanMismatchError(
                    f"{directory} holds another sweep: its {about} {name!r} is {there} "
                    f"there and {here} here. Pass `overwrite=True` (`--overwrite`) to "
                    "start anew, or another `project_name`."
                )
