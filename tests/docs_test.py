"""What the documents say is run."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import tf_lottery.core

ROOT = Path(__file__).parents[1]
MODULES = [m.name for m in pkgutil.iter_modules(tf_lottery.core.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_docstrings_give_what_they_say(name):
    module = importlib.import_module(f"tf_lottery.core.{name}")
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("steps", [20, pytest.param(500, marks=pytest.mark.slow)])
def test_the_example_of_the_readme_runs(steps, monkeypatch, capsys):
    """Its densities are those of any training; to the letter it takes its time."""
    monkeypatch.chdir(ROOT)
    code, printed = re.findall(
        r"```python\n(.*?)```.*?```text\n(.*?)```", _readme(), re.DOTALL
    )[0]
    assert "steps=500" in code
    code = code.replace("steps=500", f"steps={steps}")
    exec(compile(code, "README.md", "exec"), {})
    expected = [line.split() for line in printed.splitlines() if "kernel" in line]
    found = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert expected
    assert [line for line in found if line and "kernel" in line[0]] == expected


def test_the_links_of_the_documents_lead_somewhere():
    files = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), ROOT / "CONTRIBUTING.md"]
    for file in files:
        for link in re.findall(r"\]\((?!http)([^)#]+)", file.read_text()):
            assert (file.parent / link).exists(), f"{link} in {file.name}"


def _readme():
    return (ROOT / "README.md").read_text()
