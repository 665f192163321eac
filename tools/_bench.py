"""What the benchmarks share: statistics, the table they print, the file they write.

No TensorFlow here: `bench_memory.py` starts its cases from a small process.
"""

import contextlib
import importlib.metadata
import json
import os
import platform
import random
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import rich.console
import rich.table

Interval = tuple[float, float, float]

Key = TypeVar("Key")

_PACKAGES = (
    *("tensorflow", "tf_keras", "tensorflow-model-optimization"),
    *("keras", "jax", "torch", "numpy"),
)


def median(values: Sequence[float], draws: int = 10_000) -> Interval:
    """The median, and the ends of its bootstrap 95 % interval."""
    sample = np.asarray(values)
    chosen = np.random.default_rng(0).integers(len(sample), size=(draws, len(sample)))
    low, high = np.percentile(np.median(sample[chosen], axis=1), [2.5, 97.5])
    return float(np.median(sample)), float(low), float(high)


def ratio(times: Sequence[float], to: Sequence[float]) -> Interval:
    """The median of the ratios, each of two times taken one soon after the other."""
    return median(np.asarray(times) / np.asarray(to))


def interleaved(
    variants: Mapping[Key, Callable[[], float]], turns: int, seed: int
) -> dict[Key, list[float]]:
    """The seconds that each variant tells; in every turn all run, in random order.

    Before the first turn each runs once, as that compiles.
    """
    for run in variants.values():
        run()
    times: dict[Key, list[float]] = {key: [] for key in variants}
    order = random.Random(seed)
    for _ in range(turns):
        for key in order.sample(list(variants), len(variants)):
            times[key].append(variants[key]())
    return times


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


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a table of Markdown."""
    lines = [[*rows[0]], ["---"] * len(rows[0])]
    lines += [[_text(value) for value in row.values()] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def replace_section(path: str, name: str, text: str) -> None:
    """Puts a text between the marks `<!-- name -->` and `<!-- /name -->` of a file.

    Raises:
        ValueError: The file does not have the two marks once each.
    """
    content, marks = Path(path).read_text(), (f"<!-- {name} -->", f"<!-- /{name} -->")
    if [content.count(mark) for mark in marks] != [1, 1]:
        raise ValueError(
            f"{path} must have {marks[0]} and {marks[1]}, once each: the text between "
            "them is replaced. Write them where the table belongs."
        )
    before, rest = content.split(marks[0])
    after = rest.split(marks[1])[1]
    text = f"{before}{marks[0]}\n{text.strip()}\n{marks[1]}{after}"
    Path(path).write_text(text)


def section(found: Mapping[str, Any], how_often: str) -> str:
    """Title, rows and lines of a table as Markdown, and what it was measured on."""
    lines = "\n".join(f"- {name}: {line}" for name, line in found["lines"].items())
    parts = (f"{found['title']}:", markdown(found["rows"]), lines)
    return "\n\n".join(part for part in (*parts, _measured_on(how_often)) if part)


def _measured_on(how_often: str) -> str:
    """The command, the machine and the versions, as Markdown."""
    found = environment()
    versions = ", ".join(f"{name} {at}" for name, at in found["packages"].items())
    return (
        f"    {found['command']}\n\n"
        f"{found['cores']} cores of {found['processor']} ({found['machine']}), "
        f"{_gpu()}load {found['load']:.1f} at the end; Python {found['python']}, "
        f"{versions}. {how_often}."
    )


def environment() -> dict[str, Any]:
    """The machine, the versions and the command: what a number needs beside it."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "command": shlex.join(sys.argv),
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": load,
        "packages": dict(_versions()),
    }


def _versions() -> Iterator[tuple[str, str]]:
    """The packages of those that matter that are installed."""
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            yield name, importlib.metadata.version(name)


def _gpu() -> str:
    """The GPUs, if there are any, in words that end with a comma."""
    if not shutil.which("nvidia-smi"):
        return "no GPU, "
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    found = subprocess.run(query, capture_output=True, text=True).stdout.splitlines()
    return "".join(f"{name}, " for name in found) or "no GPU, "


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
