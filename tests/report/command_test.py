"""What `tf_lottery report` leaves in a run directory."""

import subprocess
import sys

import pytest

from tests.fakes import written
from tf_lottery import Plan

FILES = (
    *("report.html", "accuracy.png", "curves.png", "layers.png"),
    *("summary.csv", "summary.json", "figures.csv"),
)


@pytest.fixture
def run_dir(tmp_path):
    written(tmp_path / "run", Plan(rounds=2))
    return tmp_path / "run"


def report(run_dir, *flags, before="", fails=False):
    code = f"""
import sys
{before}
from tf_lottery.cli.main import main, parse
main(parse(["tf_lottery", "report", {str(run_dir)!r}, *{flags!r}]))
assert "tensorflow" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == int(fails), done.stderr
    return done.stderr if fails else done.stdout


def test_it_writes_every_file_and_says_where(run_dir):
    there = {path.name for path in run_dir.iterdir()}
    printed = report(run_dir)
    assert {path.name for path in run_dir.iterdir()} - there == set(FILES)
    assert all(f"{run_dir / name}\n" in printed for name in FILES)


def test_other_searches_are_in_the_page_and_in_files(run_dir):
    written(run_dir.parent / "other", Plan(rounds=1, pruning_rate=0.5))
    printed = report(run_dir, "--compare", f"other={run_dir.parent / 'other'}")
    files = [run_dir / f"comparison.{kind}" for kind in ("csv", "json", "png")]
    assert all(f"{path}\n" in printed for path in files)
    assert 'id="compared"' in (run_dir / "report.html").read_text()


def test_it_writes_for_tensorboard_when_asked(run_dir):
    pytest.importorskip("tensorboard")
    assert f"{run_dir / 'tensorboard'}\n" in report(run_dir, "--tensorboard")
    assert (run_dir / "tensorboard" / "replicate_0" / "round_02").is_dir()


@pytest.mark.parametrize(
    ("package", "missing"),
    [("matplotlib.figure", FILES[:4]), ("jinja2", FILES[:1])],
)
def test_without_a_package_it_writes_what_it_can(run_dir, package, missing):
    printed = report(run_dir, before=f"sys.modules[{package!r}] = None")
    assert {name for name in FILES if not (run_dir / name).exists()} == set(missing)
    assert 'pip install -e ".[plots]"' in printed


def test_without_tensorboard_it_fails_in_one_line_when_asked_for(run_dir):
    gone = "sys.modules['tensorboard.plugins.hparams'] = None"
    error = report(run_dir, "--tensorboard", before=gone, fails=True)
    assert len(error.splitlines()) == 1
    assert 'pip install -e ".[tensorboard]"' in error
    assert (run_dir / "report.html").exists()
