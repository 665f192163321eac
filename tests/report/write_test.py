"""A search in Python ends with its report, as on the command line."""

import sys

import pytest

from tests import models
from tests.fakes import history
from tf_lottery import find_ticket
from tf_lottery.report.frame import Frame
from tf_lottery.report.write import write

ARRAYS = models.arrays()
FILES = ["accuracy.png", "curves.png", "figures.csv", "layers.png", "report.html"]
FILES += ["summary.csv", "summary.json"]


@pytest.mark.filterwarnings("ignore")
def test_a_search_with_a_run_directory_ends_with_its_report(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("tf_lottery.search.find.write_report", write)
    model = models.compiled(models.tiny())
    find_ticket(model, ARRAYS, 1, validation_data=ARRAYS, run_dir=tmp_path)
    assert f"The report: {tmp_path / 'report.html'}" in capsys.readouterr().out
    assert "Reproduce" in (tmp_path / "report.html").read_text()
    found = {path.name for path in tmp_path.iterdir()}
    assert found > set(FILES)


def test_numbers_are_written_where_matplotlib_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    found = Frame(history([(1.0, 0.9, 50), (0.5, 0.9, 40)]))
    assert 'pip install -e ".[plots]"' in write(found, tmp_path, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        name for name in FILES if name.endswith(("csv", "json"))
    ]
