"""What a GPU report knows so far: one JSON file, which is whole at any time.

A step of the report adds rows to it, one after another. A row that is there is not
measured again, so that the next call goes on where the last one was.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import _bench

_QUERY = "name,driver_version,memory.total"


class Log:
    """Rows by step, in `report.json` of a directory.

    Args:
        directory: Where the report is.
        seconds: How long the process may measure.
    """

    def __init__(self, directory: Path, seconds: float) -> None:
        self.directory = directory
        self._path = directory / "report.json"
        self._ends = time.monotonic() + seconds
        self.content: dict[str, Any] = {"machine": {}, "calls": [], "steps": {}}
        self.read()

    def read(self) -> None:
        """Takes over what another process has written."""
        if self._path.exists():
            self.content = json.loads(self._path.read_text())

    def begin(self) -> None:
        """Notes that a call begins, and where.

        Raises:
            ValueError: The rows that are there were measured on another card.
        """
        here, there = machine(), self.content["machine"]
        if there and there["card"] != here["card"]:
            raise ValueError(
                "`--output` must be new, or hold a report of this card. Received: "
                f"{self.directory}, of {there['card']}, and here is {here['card']}. "
                "Give another directory."
            )
        self.content["machine"] = here
        started = time.strftime("%Y-%m-%d %H:%M:%S")
        call = {"started": started, "command": " ".join(sys.argv)}
        self.content["calls"].append(call)
        self.write()

    def left(self) -> float:
        """The seconds that are left."""
        return self._ends - time.monotonic()

    def step(self, name: str) -> dict[str, Any]:
        """What is known of a step: whether it is done, its rows, a note."""
        empty = {"done": False, "rows": {}, "note": ""}
        found: dict[str, Any] = self.content["steps"].setdefault(name, empty)
        return found

    def has(self, name: str, row: str) -> bool:
        """Whether a row was measured."""
        return row in self.step(name)["rows"]

    def add(self, name: str, row: str, values: Mapping[str, Any]) -> None:
        """Writes a row, and prints it."""
        self.step(name)["rows"][row] = dict(values)
        self.write()
        shown = ", ".join(f"{key} {_text(value)}" for key, value in values.items())
        say(f"{name}: {row}: {shown}")

    def end(self, name: str, done: bool, note: str = "") -> None:
        """Writes whether a step is done, and what is to be said of it."""
        self.step(name).update(done=done, note=note)
        self.write()
        if note:
            say(f"{name}: {note}")

    def write(self) -> None:
        """Writes both files; each appears whole."""
        _replace(self._path, json.dumps(self.content, indent=1) + "\n")
        _replace(self.directory / "report.md", markdown(self.content))


def say(text: str) -> None:
    """Prints a line at once, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def machine() -> dict[str, Any]:
    """The card, the machine and the versions."""
    found = _bench.environment()
    for name in ("command", "load"):
        del found[name]
    return {"card": card() or "none", **found.pop("packages"), **found}


def card() -> str:
    """The name, driver and memory of the first NVIDIA card; empty without one."""
    command = ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.partition("\n")[0] if done.returncode == 0 else ""


def markdown(content: Mapping[str, Any]) -> str:
    """The report as Markdown: the machine, and a table for each step."""
    lines = ["# GPU report", ""]
    lines += _table([{"": name, "value": v} for name, v in content["machine"].items()])
    lines += ["", *(f"    {call['command']}" for call in content["calls"])]
    for name, step in content["steps"].items():
        lines += ["", f"## {name}" + ("" if step["done"] else " (not finished)"), ""]
        lines += _table([{"": row} | values for row, values in step["rows"].items()])
        lines += ["", step["note"]] if step["note"] else []
    return "\n".join(lines) + "\n"


def _table(rows: list[dict[str, Any]]) -> list[str]:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if not columns:
        return []
    cells = [columns, ["---"] * len(columns)]
    cells += [[_text(row.get(name, "")) for name in columns] for row in rows]
    return [f"| {' | '.join(line)} |" for line in cells]


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        middle, low, high = value
        return f"{middle:.4g} [{low:.4g}, {high:.4g}]"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if type(value) is int else str(value)


def _replace(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    os.replace(new, path)
