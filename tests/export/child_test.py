"""The modules that the process of TensorFlow's own imports."""

import sys

import pytest

from tf_lottery.export.child.__main__ import _imported


def test_a_module_that_no_path_has_is_imported_from_its_file(tmp_path, monkeypatch):
    """As a recipe, whose module has a name of its own."""
    (tmp_path / "mine.py").write_text("NUMBER = 3")
    monkeypatch.delitem(sys.modules, "recipe_mine", raising=False)
    found = _imported("recipe_mine", str(tmp_path / "mine.py"))
    assert found is sys.modules.pop("recipe_mine")
    assert found.NUMBER == 3


def test_a_module_without_a_file_is_named():
    with pytest.raises(ModuleNotFoundError, match="of_nowhere"):
        _imported("of_nowhere", None)
