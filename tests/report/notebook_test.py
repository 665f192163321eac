"""What a notebook and a prompt show of tickets, histories, verdicts and cards."""

import dataclasses
import pickle
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from tests.fakes import history, outcome, replicated
from tf_lottery import report
from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import Outcome
from tf_lottery.core.ticket import FoundTicket, Ticket
from tf_lottery.search.find import chosen
from tf_lottery.verdict.judge import judge

ROWS = [(1.0, 0.95, 100), (0.8, 0.96, 90), (0.4, 0.955, 80)]


class Cells(HTMLParser):
    """The texts of tables by row, and the paragraphs; tags must be closed."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.paragraphs, self._open = [], [], []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        assert tag in ("p", "table", "tr", "th", "td", "br"), tag
        if tag != "br":
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open[-1] == "p":
            self.paragraphs.append(data)
        else:
            self.rows[-1][-1] += data


def test_a_ticket_says_what_it_keeps_its_score_and_whether_it_wins():
    ticket = chosen(history(ROWS))
    assert repr(ticket) == (
        "<Ticket round 2: 40.0% of 1,000 weights, val_accuracy 0.9550 "
        "(dense 0.9500), wins>"
    )
    plain = Ticket(ticket.masks, {}, round=2)
    assert repr(plain) == "<Ticket round 2: 40.0% of 1,000 weights>"
    assert repr(FoundTicket.of(plain, ticket.outcome)) == repr(plain)


def test_masks_and_outcomes_are_told_without_their_arrays():
    assert repr(Masks({"k": [True, False], "l": [True, True]})) == (
        "Masks(2 kernels, 75.0% of 4 weights)"
    )
    weights = {"dense/kernel": np.zeros((1000, 1000), np.float32)}
    assert repr(outcome(weights)) == (
        "<Outcome: best step 50 of 100, val_accuracy 0.9000, val_loss 0.3000>"
    )


def test_a_notebook_shows_the_layers_of_a_ticket():
    ticket = chosen(history(ROWS))
    shown = Cells(ticket._repr_html_())
    assert shown.rows[1] == ["dense/kernel", "400", "1,000", "40.00%"]
    assert any("A winning ticket" in text for text in shown.paragraphs)


def test_a_notebook_shows_the_rounds_of_a_history():
    rows = [(1.0, 0.9, 0.9, 50), (0.5, 0.9, 0.92, 40)]
    more = [(1.0, 0.8, 0.9, 70)]  # one that has not finished
    shown = Cells(replicated(rows, more)._repr_html_())
    assert shown.rows[0] == ["round", "density", "val_accuracy", "best step"]
    assert shown.rows[1:] == [
        ["0", "100.0%", "0.8500", "60"],
        ["1", "50.0%", "0.9000", "40"],
    ]
    assert "means over replicates" in shown.paragraphs[0]


def test_a_notebook_shows_the_reason_of_a_verdict_and_its_rounds():
    verdict = judge(history(ROWS))
    shown = Cells(verdict._repr_html_())
    assert shown.paragraphs[0] == verdict.reason.splitlines()[0]
    assert [row[-1] for row in shown.rows[1:]] == ["matches", "matches", "wins"]


def test_text_of_a_file_is_escaped():
    path, reason = "<script>alert(1)</script>", "<b>won</b>\x1b[2J"
    found = FoundTicket(
        Masks({path: [True]}), {}, outcome=outcome({}), reason=reason, won=True
    )
    shown = Cells(found._repr_html_())  # knows no such tags
    assert shown.rows[1][0] == path
    assert "\x1b" not in found._repr_html_()
    spoiled = dataclasses.replace(outcome({}), metrics={"val_\x1b[2J": 1.0})
    assert isinstance(spoiled, Outcome)
    assert "\x1b" not in repr(spoiled)


def test_a_dataframe_has_a_row_a_training(monkeypatch):
    class Pandas:
        DataFrame = staticmethod(list)

    monkeypatch.setitem(sys.modules, "pandas", Pandas)
    found = history(ROWS)
    assert found.to_dataframe() == found.rows()


def test_a_missing_pandas_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match='Install it with "pip install pandas"'):
        history(ROWS).to_dataframe()


def test_a_ticket_from_a_file_says_its_score(tmp_path):
    ticket = chosen(history(ROWS))
    ticket.save(tmp_path / "ticket.safetensors")
    assert repr(Ticket.load(tmp_path / "ticket.safetensors")) == repr(ticket)


def test_a_notebook_shows_the_images_of_figures():
    figure = report.plot(history(ROWS))
    for each in figure, pickle.loads(pickle.dumps(figure)):
        assert each._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("plot", [report.plot, report.plot_curves, report.plot_layers])
def test_plots_return_their_figures(tmp_path, plot):
    assert plot(history(ROWS)).axes
    assert plot(history(ROWS), tmp_path / "figure.png").axes
    assert (tmp_path / "figure.png").stat().st_size > 1000
