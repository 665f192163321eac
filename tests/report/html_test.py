import dataclasses
import html.parser
import math
import re
import sys

import pytest

from tests.fakes import history, replicated, round_of
from tests.report.frame_test import TWO
from tf_lottery import Plan, report
from tf_lottery.core.history import History
from tf_lottery.verdict.judge import judge

FACTS = {
    "recipe": "recipes/lenet.py",
    "versions": {"tensorflow": "2.21.0"},
    "devices": "one device",
    "machine": {"cpu": "a fast one", "cores": 2},
    "data": {"dataset": {"batches": 9}},
}
NASTY = "<script>alert('&\"')</script>"


class Page(html.parser.HTMLParser):
    """What a page shows: its text, its tables by id, its images."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.images, self.tags, self.text = {}, [], [], ""
        self._rows, self._cell = None, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        if tag == "table":
            self._rows = self.tables[attrs["id"]] = []
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th"):
            self._rows[-1].append("")
            self._cell = True
        if tag == "img":
            self.images.append(attrs)

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self._cell = None

    def handle_data(self, data):
        self.text += data
        if self._cell:
            cell = f"{self._rows[-1][-1]} {data.strip()}".strip()
            self._rows[-1][-1] = cell


def page(history, path, facts=FACTS):
    report.to_html(history, path / "report.html", facts)
    return Page((path / "report.html").read_text("utf-8"))


def test_the_top_says_what_was_found(tmp_path):
    text = page(TWO, tmp_path).text
    assert judge(TWO).reason in text
    assert text.index(judge(TWO).reason) < text.index("Figures")


def test_the_verdict_table_has_a_row_a_round(tmp_path):
    head, *rows = page(TWO, tmp_path).tables["verdict"]
    gain = "gain on dense, points"
    assert head[2:6] == ["val_accuracy", gain, "test_accuracy", gain]
    assert [row[0] for row in rows] == ["0 dense", "1", "2 the ticket"]
    assert rows[2][2] == "0.9150 0.9100 to 0.9200"
    assert rows[2][3].startswith("+1.00")
    assert rows[2][-2:] == ["yes", "yes in 2 of 2"]


def test_the_controls_and_the_numbers_of_the_figures_are_tables(tmp_path):
    tables = page(TWO, tmp_path).tables
    _, reinit, shuffle = tables["controls"]
    assert reinit[:5] == ["1", "50.0%", "reinit", "3", "0.7400 0.7000 to 0.7800"]
    assert shuffle[2:5] == ["shuffle", "1", "0.6000"]
    assert [row[0] for row in tables["numbers"][1:]] == [
        *("ticket", "ticket", "ticket", "reinit", "shuffle", "dense")
    ]
    assert tables["densities"][1] == ["dense/kernel", "100.0%", "50.0%", "25.0%"]


def test_it_says_under_which_conditions_and_how_to_run_it_again(tmp_path):
    found = page(TWO, tmp_path)
    conditions = dict(found.tables["conditions"][1:])
    assert conditions["Versions, tensorflow"] == "2.21.0"
    assert conditions["Machine, cpu"] == "a fast one"
    assert conditions["Seed of replicate 0"] == "0"
    assert dict(found.tables["plan"][1:])["controls"] == "reinit, shuffle"
    assert "tf_lottery find recipes/lenet.py" in found.text
    assert "--replicates 2" in found.text


def test_without_a_recipe_the_call_is_given(tmp_path):
    text = page(TWO, tmp_path, {}).text
    assert "tf_lottery.find_ticket(" in text
    assert "replicates=2," in text


def test_other_searches_stand_beside_it_when_compared(tmp_path):
    other = replicated([(1.0, 0.9, 0.9, 50), (0.5, 0.9, 0.7, 50)])
    beside = report.compare(TWO, name="this", other=other)
    report.to_html(TWO, tmp_path / "report.html", FACTS, beside)
    found = Page((tmp_path / "report.html").read_text("utf-8"))
    assert len(found.images) == 4
    rows = [row[:2] for row in found.tables["compared"][1:]]
    assert ["this", "25.0%"] in rows
    assert ["other", "50.0%"] in rows
    assert "compared" not in page(TWO, tmp_path).tables


def test_one_replicate_is_not_told_as_several(tmp_path):
    rows = [(1.0, 0.9, 0.9, 50), (0.5, 0.9, 0.9, 50)]
    controls = {(0, "reinit", 0, 1): (0.8, 0.8, 50)}
    text = page(replicated(rows, controls=controls), tmp_path).text
    for word in ("Means over", "paired", "interval of the mean", "Bands", "pool the"):
        assert word not in text
    assert "One replicate is one seed" in text


def test_figures_are_in_the_page_with_alternative_texts(tmp_path):
    images = page(TWO, tmp_path).images
    assert len(images) == 3
    assert all(i["src"].startswith("data:image/svg+xml;base64,") for i in images)
    assert all(len(image["alt"]) > 40 for image in images)


def test_it_needs_no_network_and_no_script(tmp_path):
    found = page(TWO, tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert re.findall(r"(?:src|href)=\"(?!data:)[^\"]*", text) == []
    assert "@import" not in text
    assert "script" not in {tag for tag, _ in found.tags}


def test_rounds_that_not_all_replicates_have_are_marked(tmp_path):
    short = (TWO.replicates[0], TWO.replicates[1][:2])
    growing = dataclasses.replace(TWO, replicates=short)
    _, *rows = page(growing, tmp_path).tables["verdict"]
    assert [row[1] for row in rows] == [
        *("100.0% 2 of 2", "50.0% 2 of 2", "25.0% 1 of 2")
    ]
    assert rows[1][3].endswith("better in 2 of 2")


def test_every_table_cell_has_a_header(tmp_path):
    found = page(TWO, tmp_path)
    assert all(attrs.get("scope") for tag, attrs in found.tags if tag == "th")


def test_names_from_files_are_escaped(tmp_path):
    metrics = {"val_accuracy": 0.9, f"test_{NASTY}": 0.9}
    dense = round_of(0, 1.0, metrics)
    control = round_of(0, 1.0, metrics, control=NASTY)
    plan = Plan(layer_rates={NASTY: 0.1})
    nasty = History(((dense,),), plan, "val_accuracy", True, (control,))
    facts = {"recipe": f"{NASTY}.py", "devices": NASTY, "versions": {NASTY: NASTY}}
    found = page(nasty, tmp_path, facts)
    assert "script" not in {tag for tag, _ in found.tags}
    assert NASTY in found.text


@pytest.mark.parametrize(
    "history",
    [
        history([(1.0, 0.9, 1)]),
        history([(1.0, 0.9, 1), (0.5, math.nan, 1)]),
        history([(1.0, 2.0, 1), (0.5, 1.5, 1)], monitor="val_loss", maximize=False),
        history([(1.0, 0.9, 1), (0.5, 0.9, 1)], monitor="accuracy"),
        dataclasses.replace(TWO, replicates=(TWO.replicates[0], TWO.replicates[1][:1])),
        replicated([(1.0, 0.9, 0.8, 0)], [(1.0, 0.9, 0.8, 0)]),
    ],
    ids=["dense alone", "nan", "loss", "no validation", "unfinished", "step 0"],
)
def test_there_is_a_page_of_any_history(history, tmp_path):
    found = page(history, tmp_path)
    longest = max(map(len, history.replicates))
    assert len(found.tables["verdict"]) == 1 + longest


def test_equal_histories_give_equal_figures(tmp_path):
    one, other = page(TWO, tmp_path), page(TWO, tmp_path)
    assert one.images == other.images


def test_an_unfinished_search_is_called_so(tmp_path):
    assert "9 of 14 trainings are finished" in page(TWO, tmp_path).text


@pytest.mark.parametrize("package", ["jinja2", "matplotlib.figure"])
def test_without_its_packages_the_error_says_what_to_install(
    package, monkeypatch, tmp_path
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"the extra `plots`"):
        report.to_html(TWO, tmp_path / "report.html")
