"""The bar of an export: which steps it shows, and where."""

import functools
import io
import subprocess
import sys

import pytest
import rich.console

from tests.export.exporting import ONE_FILE, dense_network, exported, sparsified
from tf_lottery import export
from tf_lottery.export import job
from tf_lottery.export.child import parent
from tf_lottery.export.progress import STEPS, Progress

WRITE_A_STEP = """
import pathlib, sys, time
pathlib.Path(sys.argv[1]).write_text("writing the file")
time.sleep(1)
sys.exit(3)
"""


@pytest.fixture
def told(monkeypatch):
    """The steps that an export tells of."""
    found = []
    monkeypatch.setattr(job, "Progress", lambda name: Progress(name, found.append))
    return found


@pytest.fixture
def terminal(monkeypatch):
    """What goes to a terminal."""
    shown = io.StringIO()
    console = functools.partial(
        rich.console.Console, file=shown, force_terminal=True, width=100
    )
    monkeypatch.setattr("rich.console.Console", console)
    return shown


@pytest.mark.parametrize("format", ["packed", "keras"])
def test_every_step_is_told_of(tmp_path, told, format):
    exported(sparsified(dense_network()), tmp_path, format)
    assert tuple(dict.fromkeys(told)) == STEPS


def test_every_step_of_a_tflite_file_is_told_of(tmp_path, told):
    export.tflite(sparsified(dense_network()), tmp_path / "a.tflite", **ONE_FILE)
    assert tuple(dict.fromkeys(told)) == STEPS


def test_a_terminal_shows_the_step_and_how_many_are_done(terminal):
    with Progress("a.tflite").step("writing the file"):
        pass
    assert "a.tflite: writing the file" in terminal.getvalue()
    assert "3/6" in terminal.getvalue()


def test_without_a_name_there_is_no_bar(terminal):
    with Progress().step("writing the file"):
        pass
    assert terminal.getvalue() == ""


def test_where_there_is_no_terminal_there_is_no_bar(capsys):
    with Progress("a.tflite").step("writing the file"):
        pass
    assert capsys.readouterr().out == ""


def test_a_notebook_shows_no_bar(capsys, notebook):
    with Progress("a.tflite").step("writing the file"):
        pass
    assert capsys.readouterr().out == ""


def test_an_error_ends_the_bar(terminal):
    progress = Progress("a.tflite")
    with pytest.raises(KeyError), progress.step("writing the file"):
        raise KeyError
    assert not progress._bar.live.is_started


def test_the_steps_of_another_process_are_shown(tmp_path):
    told = []
    place = tmp_path / parent.STEP
    child = subprocess.Popen([sys.executable, "-c", WRITE_A_STEP, str(place)])
    assert parent._wait(child, place, Progress(tell=told.append)) == 3
    assert set(told) == {"writing the file"}
