"""What the benchmarks share: statistics, the table they print, the file they write.

No TensorFlow here: `bench_memory.py` starts its cases from a small process.
"""

import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rich.console
import rich.table

Interval = tuple[float, float, float]

_PACKAGES = ("tensorflow", "tf_keras", "tensorflow-model-optimization", "numpy")


def median(values: Sequence[float], draws: int = 10_000) -> Interval:
    """The median, and the ends of its bootstrap 95 % interval."""
    sample = np.asarray(values)
    chosen = np.random.default_rng(0).integers(len(sample), size=(draws, len(sample)))
    low, high = np.percentile(np.median(sample[chosen], axis=1), [2.5, 97.5])
    return float(np.median(sample)), float(low), float(high)


def ratio(times: Sequence[float], to: Sequence[float]) -> Interval:
    """The median of the ratios, each of two times taken one soon after the other."""
    return median(np.asarray(times) / np.asarray(to))


def show(
    title: str, rows: Sequence[Mapping[str, Any]], lines: Mapping[str, str]
) -> None:
    """Prints rows as a table, then named lines."""
    console = rich.console.Console(highlight=False, width=max(_width(), 88))
    table = rich.table.Table(title=title, title_justify="left")
    for name in rows[0]:
        table.add_column(name, justify="left" if _is_text(rows, name) else "right")
    for row in rows:
        table.add_row(*map(_text, row.values()))
    console.print(table)
    for name, line in lines.items():
        console.print(f"{name}: {line}", markup=False)


def verdict(value: float, limit: float, unit: str = "") -> str:
    """A value beside its limit, in words."""
    word = "met" if value <= limit else "MISSED"
    return f"{value:,.3f}{unit}, target at most {limit:,.3f}{unit}: {word}"


def write(output: str | None, results: Mapping[str, Any]) -> None:
    """Writes the results and what they were measured on as JSON, if asked to."""
    if output:
        text = json.dumps({"measured_on": environment(), **results}, indent=1)
        Path(output).write_text(text + "\n")


def environment() -> dict[str, Any]:
    """The machine, the versions and the command: what a number needs beside it."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "command": " ".join(sys.argv),
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": load,
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    """The processor's name; Linux tells it only in a file."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(": ")[1] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _width() -> int:
    return rich.console.Console().width


def _is_text(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    return any(isinstance(row[name], str) for row in rows)


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        middle, low, high = value
        return f"{middle:.3f} [{low:.3f}, {high:.3f}]"
    return f"{value:,.2f}" if isinstance(value, float) else str(value)
