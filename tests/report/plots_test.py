import dataclasses
import struct

import pytest

from tests.fakes import history, replicated
from tests.report.frame_test import TWO, TestSeveralSearches
from tf_lottery import Plan, report
from tf_lottery.core.history import History
from tf_lottery.report.curves import draw_curves
from tf_lottery.report.layers import draw_layers
from tf_lottery.report.plots import draw

TICKETS = [
    [(1.0, 0.9, 0.80, 100), (0.5, 0.9, 0.84, 100), (0.25, 0.9, 0.82, 100)],
    [(1.0, 0.9, 0.82, 100), (0.5, 0.9, 0.86, 100), (0.25, 0.9, 0.80, 100)],
]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def names(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def drawn(axes, label):
    (line,) = (line for line in axes.lines if line.get_label() == label)
    return list(line.get_xdata()), list(line.get_ydata())


def test_the_figure_draws_means_and_names_each_line():
    figure = draw(TWO)
    above, below = figure.axes
    assert names(figure) == ["ticket", "reinit", "shuffle", "dense", "winning ticket"]
    assert drawn(above, "ticket")[1] == pytest.approx([0.81, 0.835, 0.815])
    assert drawn(above, "reinit") == ([50], pytest.approx([0.74]))
    assert drawn(above, "dense")[1] == pytest.approx([0.81, 0.81])
    steps = [list(line.get_ydata()) for line in below.lines]
    assert [110.0, 85.0, 65.0] in steps


def test_a_band_goes_from_minimum_to_maximum():
    above = draw(replicated(*TICKETS)).axes[0]
    band = above.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == pytest.approx((0.80, 0.86))


def test_a_control_that_fails_does_not_flatten_the_tickets_and_is_named():
    failing = {(r, "reinit", 0, 1): (0.1, 0.11 + r / 100, 100) for r in (0, 1)}
    above = draw(replicated(*TICKETS, controls=failing)).axes[0]
    assert above.get_ylim()[0] > 0.6
    assert texts(above) == ["0.115▼"]
    assert texts(draw(replicated(*TICKETS)).axes[0]) == []


def test_a_loss_that_fails_leaves_at_the_top():
    losses = history([(1.0, 0.3, 9), (0.5, 0.2, 9)], monitor="val_loss", maximize=False)
    assert draw(losses).axes[0].get_ylim()[1] < 0.4


def test_searches_that_begin_alike_share_the_dense_level():
    searches = dict(zip("ab", TestSeveralSearches.SHOTS, strict=True))
    assert names(draw(searches)) == ["a", "b", "dense"]
    other = replicated([(1.0, 0.9, 0.7, 90), (0.5, 0.8, 0.7, 90)], plan=Plan(seed=1))
    assert names(draw(searches | {"c": other})) == [
        *("a", "a: dense", "b", "c", "c: dense")
    ]


def test_the_dense_network_alone_is_no_ticket():
    assert names(draw(history([(1.0, 0.9, 1)]))) == [
        *("ticket, at min. validation loss", "dense")
    ]


def test_labels_of_densities_do_not_touch():
    many = {
        str(n): history(
            [(1.0, 0.9, 1)] + [((0.8 - n / 1e3) ** k, 0.9, 1) for k in (1, 9)]
        )
        for n in range(20)
    }
    assert len(draw(many).axes[1].get_xticks()) < 8


def test_learning_curves_have_a_panel_for_tickets_and_one_for_controls():
    figure = draw_curves(TWO)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["Tickets", "Ticket and controls in round 2, 25.0%"]
    labels = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert labels == ["dense", "ticket", "shuffle"]
    assert len(draw_curves(history([(1.0, 0.9, 1)])).axes) == 1


def test_a_curve_of_one_validation_pass_is_a_point():
    (dense,) = history([(1.0, 0.9, 4)])
    curves = {"step": [4], "val_loss": [0.5], "val_accuracy": [0.9]}
    outcome = dataclasses.replace(dense.outcome, curves=curves)
    dense = dataclasses.replace(dense, outcome=outcome)
    once = History(((dense,),), Plan(), "val_accuracy", maximize=True)
    (line,) = draw_curves(once).axes[0].lines
    assert (len(line.get_xdata()), line.get_marker()) == (1, "o")
    many = draw_curves(TWO).axes[0].lines[0]
    assert len(many.get_xdata()) > 1 and many.get_marker() in ("", "None")


@pytest.mark.parametrize("steps", [1, 4, 6])
def test_steps_are_whole_numbers_and_each_is_there_once(steps):
    figure = draw(history([(1.0, 0.9, steps), (0.5, 0.9, steps)]))
    figure.draw_without_rendering()
    labels = [text.get_text() for text in figure.axes[1].get_yticklabels()]
    assert len(labels) == len({*labels})
    assert "e" not in figure.axes[0].yaxis.get_offset_text().get_text()


def test_layers_are_rows_and_rounds_columns():
    (axes,) = draw_layers(TWO).axes
    assert texts(axes) == ["100", "50", "25"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["dense"]


@pytest.mark.parametrize("write", [report.plot_curves, report.plot_layers])
def test_figures_are_pictures(write, tmp_path):
    write(TWO, tmp_path / "figure.png")
    content = (tmp_path / "figure.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert struct.unpack(">I", content[16:20])[0] > 500  # pixels wide


@pytest.mark.parametrize("write", [report.plot_curves, report.plot_layers])
def test_without_matplotlib_the_error_says_what_to_install(
    write, monkeypatch, tmp_path
):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"the extra `plots`"):
        write(TWO, tmp_path / "figure.png")
