"""What the commands print and write of a search: its table, its report, its files."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from tf_lottery import report as reports
from tf_lottery.report.table import unfinished
from tf_lottery.run_dir.names import RESULTS
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.run_dir.verify import gaps


def write_report(
    found: reports.Frame, run_dir: Path, compared: reports.Comparison | None = None
) -> None:
    """Writes the files of a report; prints which package is missing for others."""
    if missing := reports.write(found, run_dir, RunDir(run_dir).manifest(), compared):
        print(missing)


def print_table(found: reports.Frame, run_dir: Path) -> None:
    """Prints the table of a search, what is not finished, and the verdict."""
    print(f"\n{reports.table(found, width())}\n")
    if left := unfinished(found.history):
        print(left)
    for missing in gaps(RunDir(run_dir), found.history.plan):
        print(missing)
    print(f"So far: {found.verdict.reason}" if left else found.verdict.reason)


def width() -> int:
    """The width of the terminal."""
    return shutil.get_terminal_size((88, 24)).columns


def print_files(run_dir: Path, older: Iterable[str] = ()) -> None:
    """Prints the files of a run directory, except those of an older report."""
    print(f"\n{'devices':15} {RunDir(run_dir).manifest().get('devices', 'not known')}")
    print(f"{'run directory':15} {run_dir}")
    print_paths(run_dir, {n: what for n, what in RESULTS.items() if n not in older})


def print_paths(directory: Path, names: Mapping[str, str]) -> None:
    """Prints the files that are there, each after what it is."""
    for name, what in names.items():
        if (directory / name).exists():
            print(f"{what:15} {directory / name}")
