import csv
import json
import struct

import pytest

from tests.fakes import history
from tf_lottery import report
from tf_lottery.verdict.judge import judge as _judge

ROWS = [(1.0, 0.95, 100), (0.8, 0.96, 90), (0.4, 0.955, 80), (0.2, 0.9, 100)]


def test_the_table_has_a_line_a_round_and_marks_the_ticket():
    lines = report.table(history(ROWS)).splitlines()
    rounds = [line.split() for line in lines if line.split()[:1][0:1] and "%" in line]
    assert [row[1] for row in rounds] == ["100.0%", "80.0%", "40.0%", "20.0%"]
    assert [line.split()[0] for line in lines if "<- ticket" in line] == ["2"]


def test_a_score_that_is_missing_or_nan_is_shown_as_such():
    text = report.table(history([(1.0, 0.9, 1), (0.8, float("nan"), 1)]))
    assert "nan" in text


def test_all_files_of_a_frame_are_of_one_judgement(monkeypatch, tmp_path):
    judged = []

    def judge(history):
        judged.append(history)
        return _judge(history)

    monkeypatch.setattr("tf_lottery.report.frame.judge", judge)
    frame = report.Frame(history(ROWS))
    assert report.table(frame) == report.table(history(ROWS))
    judged.clear()
    report.figures_to_csv(frame, tmp_path / "figures.csv")
    report.to_json(frame, tmp_path / "summary.json")
    for name in ("plot", "plot_curves", "plot_layers", "to_html"):
        getattr(report, name)(frame, tmp_path / name)
    assert judged == []


def test_csv_has_every_number(tmp_path):
    report.to_csv(history(ROWS), tmp_path / "summary.csv")
    with open(tmp_path / "summary.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["density"]) for row in rows] == [1.0, 0.8, 0.4, 0.2]
    assert [float(row["val_accuracy"]) for row in rows] == [r[1] for r in ROWS]


def test_json_has_the_plan_the_verdict_and_the_curves(tmp_path):
    report.to_json(history(ROWS), tmp_path / "summary.json")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["verdict"]["chosen"] == 2
    assert summary["verdict"]["won"] is True
    assert summary["plan"]["pruning_rate"] == 0.2
    assert summary["rounds"][3]["density_by_layer"] == {"dense/kernel": 0.2}
    assert summary["rounds"][0]["curves"]["val_loss"] == [0.3, 0.4]


def test_json_is_strict_where_a_score_is_nan(tmp_path):
    report.to_json(history([(1.0, 0.9, 1), (0.8, float("nan"), 1)]), tmp_path / "s")
    rounds = json.loads((tmp_path / "s").read_text(), parse_constant=pytest.fail)
    assert rounds["rounds"][1]["val_accuracy"] is None


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1]])
def test_the_plot_is_a_picture_and_leaves_pyplot_alone(tmp_path, rows):
    import matplotlib.pyplot as plt

    report.plot(history(rows), tmp_path / "accuracy.png")
    content = (tmp_path / "accuracy.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert struct.unpack(">I", content[16:20])[0] > 800  # pixels wide
    assert plt.get_fignums() == []


def test_the_plot_shows_density_on_a_falling_log_axis(monkeypatch, tmp_path):
    from matplotlib.figure import Figure

    figures = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda f, *a, **k: (figures.append(f), save(f, *a, **k))
    )
    report.plot(history(ROWS), tmp_path / "accuracy.png")
    axes = figures[0].axes[0]
    left, right = axes.get_xlim()
    assert axes.get_xscale() == "log"
    assert left > right
    best = next(line for line in axes.lines if "min" in line.get_label())
    assert list(best.get_xdata()) == [100, 80, 40, 20]
    assert list(best.get_ydata()) == [row[1] for row in ROWS]


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"the extra `plots`"):
        report.plot(history(ROWS), tmp_path / "accuracy.png")
