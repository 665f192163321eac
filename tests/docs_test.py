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


@pytest.mark.parametrize("rounds", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_the_quick_start_of_the_readme_runs(rounds, monkeypatch, tmp_path):
    """As it stands; in the fast suite with fewer rounds and steps."""
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", _readme(), re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 8
    assert "5, epochs=10" in code
    if rounds != 5:
        code = code.replace("5, epochs=10", f"{rounds}, epochs=1")
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["ticket"].round == rounds
    assert (tmp_path / "ticket.tflite").exists()


def test_the_links_of_the_documents_lead_somewhere():
    files = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), ROOT / "CONTRIBUTING.md"]
    for file in files:
        for link in re.findall(r"\]\((?!http)([^)#]+)", file.read_text()):
            assert (file.parent / link).exists(), f"{link} in {file.name}"


def _readme():
    return (ROOT / "README.md").read_text()
