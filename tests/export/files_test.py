"""A file and its card take their place together, or nothing changes."""

import json
import pathlib
import shutil

import pytest

from tests.export.exporting import PATHS, X, contents, each_format, exported, run
from tf_lottery.bindings.tf_keras.exporting.network import Network
from tf_lottery.export import files as exported_files
from tf_lottery.export import finish
from tf_lottery.export.tensorflow import runtime, saved_model

pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket matches")


@each_format
def test_the_card_lies_beside(files, format):
    path, card = files[format]
    names = {path.name + ending for ending in ("", ".card.json", ".card.md")}
    assert {each.name for each in path.parent.iterdir()} == names
    written = json.loads(pathlib.Path(f"{path}.card.json").read_text())
    assert written["sha256"] == card.sha256 == exported_files.sha256(path)
    assert written["sizes"]["exported"]["raw"] == exported_files.size(path).raw
    assert path.name in pathlib.Path(f"{path}.card.md").read_text()


@each_format
def test_what_is_there_is_not_touched(ticket, files, format):
    path, _ = files[format]
    before = contents(path.parent)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        exported(ticket, path.parent, format, weights="final")
    assert contents(path.parent) == before


@pytest.mark.first_case
@pytest.mark.parametrize("there", ["file", "directory"])
@pytest.mark.parametrize("format", ["packed", "keras"])
def test_what_is_there_is_replaced_on_request(ticket, tmp_path, format, there):
    path = tmp_path / PATHS[format]
    if there == "file":
        path.write_text("old")
    else:
        (path / "variables").mkdir(parents=True)
        (path / "saved_model.pb").write_text("old")
        (path / "variables/old").write_text("old")
    exported(ticket, tmp_path, format, overwrite=True)
    assert not any(content == b"old" for content in contents(tmp_path).values())
    run(path, X)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_directory_that_is_no_export_is_never_replaced(ticket, tmp_path):
    path = tmp_path / "ticket"
    path.mkdir()
    (path / "thesis.tex").write_text("mine")
    with pytest.raises(FileExistsError, match="without a SavedModel"):
        exported(ticket, tmp_path, "packed", overwrite=True)
    assert (path / "thesis.tex").read_text() == "mine"


def test_missing_directories_are_made(ticket, tmp_path):
    exported(ticket, tmp_path / "a/b", "packed")
    assert (tmp_path / "a/b/ticket/saved_model.pb").exists()


class Halt(BaseException):
    """As a kill by the keyboard."""


FAILURES = {
    "write packed": (saved_model, "save_packed"),
    "write keras": (Network, "save"),
    "read packed": (runtime, "saved_model"),
    "read keras": (Network, "load"),
    "check keras": (finish, "_check_sparsity"),
    "card keras": (finish, "Card"),
    "move packed": (exported_files.os, "replace"),
    "move keras": (exported_files.os, "replace"),
}


@pytest.mark.first_case
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_leaves_what_was_there(ticket, files, tmp_path, monkeypatch, failure):
    step, format = failure.split()
    (tmp_path / "new").mkdir()
    shutil.copytree(files[format][0].parent, tmp_path / "old")
    before = contents(tmp_path / "old")
    module, name = FAILURES[failure]
    original, failed = getattr(module, name), []

    def fail(*arguments, **options):
        target = pathlib.Path(arguments[1]).parent if step == "move" else None
        if failed or target not in (None, tmp_path / "old", tmp_path / "new"):
            return original(*arguments, **options)
        failed.append(target)
        raise Halt

    for folder, overwrite in (("old", True), ("new", False)):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, fail)
            with pytest.raises(Halt):
                exported(ticket, tmp_path / folder, format, overwrite=overwrite)
        failed.clear()
    assert contents(tmp_path / "old") == before
    assert not list((tmp_path / "new").iterdir())


def test_the_first_of_two_at_once_wins(tmp_path):
    path = tmp_path / "ticket"
    with pytest.raises(FileExistsError), exported_files.placed(path, False) as mine:
        with exported_files.placed(path, False) as theirs:
            theirs.write_text("first")
        mine.write_text("second")
    assert path.read_text() == "first"
    with exported_files.placed(path, True) as mine:
        with exported_files.placed(path, True) as theirs:
            theirs.write_text("third")
        mine.write_text("fourth")
    assert path.read_text() == "fourth"
    assert list(tmp_path.iterdir()) == [path]
