"""A sweep in tables, figures and a page; its front against a search of all pairs."""

import csv
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import history
from tf_lottery import report
from tf_lottery.report.sweep import Sweep, Trial, in_words

ONE = history([(1.0, 0.90, 60), (0.5, 0.95, 50), (0.1, 0.91, 50)])
TWO = history([(1.0, 0.90, 60), (0.3, 0.93, 50), (0.05, 0.5, 50)])


def sweep(*histories, **of):
    trials = tuple(
        Trial(str(n), {"pruning_rate": 0.1 * (n + 1)}, 0.5 + n, each)
        for n, each in enumerate(histories)
    )
    return Sweep(trials, (), "smallest_winning_density", 5, 6, **of)


FOUND = sweep(ONE, TWO)


def points(front):
    return [(trial.name, round.number) for trial, round in front]


def test_the_front_is_what_no_sparser_one_beats():
    assert points(FOUND.front()) == [("1", 2), ("0", 2), ("1", 1), ("0", 1)]


def test_a_summary_is_the_same_text_in_a_notebook(request):
    text = FOUND.summary()
    request.getfixturevalue("notebook")
    assert FOUND.summary() == text


rows = st.tuples(
    st.sampled_from([0.02, 0.1, 0.3, 0.5, 0.8]),
    st.sampled_from([0.1, 0.5, 0.9, math.nan]),
    st.just(50),
)


@given(st.lists(st.lists(rows, max_size=4), min_size=1, max_size=4), st.booleans())
def test_the_front_is_that_of_all_pairs(trials, maximize):
    dense = (1.0, 0.5, 50)
    found = sweep(*(history([dense, *t], maximize=maximize) for t in trials))
    sign = 1 if maximize else -1
    every = [
        (round.density, sign * round.score.mean)
        for trial in found.trials
        for round in trial.verdict.rounds
        if not math.isnan(round.score.mean)
    ]
    best = {
        (d, s)
        for d, s in every
        if not any(e <= d and t >= s and (e, t) != (d, s) for e, t in every)
    }
    front = [(r.density, sign * r.score.mean) for _, r in found.front()]
    assert set(front) == best
    assert front == sorted(front)
    assert len(front) == len(best)  # of equal tickets one


def test_the_summary_has_the_trials_the_front_and_the_cost():
    text = FOUND.summary()
    for part in ("best first (2)", "pruning_rate 0.1", "smallest_winning_density"):
        assert part in text
    assert "Trained 5 of 6 trainings; the others were shared." in text
    assert "the best 1 of 2" in FOUND.summary(1)
    assert repr(FOUND) == "<Sweep: 2 trials, trained 5 of 6 trainings>"


def test_without_a_finished_trial_it_says_so():
    assert sweep().summary() == sweep().table() == "No trial is finished."


def test_choices_are_told_in_words():
    assert in_words({"pruning_rate": 0.1 + 0.2, "scope": "global"}) == (
        "pruning_rate 0.3, scope global"
    )
    assert in_words({}) == "the defaults"


def test_every_number_of_the_figure_is_in_files(tmp_path):
    FOUND.to_csv(tmp_path / "trials.csv")
    FOUND.to_json(tmp_path / "trials.json")
    with open(tmp_path / "trials.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    front = [(r["trial"], int(r["round"])) for r in rows if r["on_front"] == "True"]
    assert sorted(front) == sorted(points(FOUND.front()))
    found = json.loads((tmp_path / "trials.json").read_text())
    assert (found["trained"], found["trainings"]) == (5, 6)
    assert [row["density"] for row in found["rounds"]] == [
        float(r["density"]) for r in rows
    ]


def test_the_page_has_the_sweep_above_its_best_trial(tmp_path):
    pytest.importorskip("matplotlib")
    from tests.report.html_test import Page

    report.to_html(ONE, tmp_path / "report.html", sweep=FOUND)
    page = Page((tmp_path / "report.html").read_text("utf-8"))
    assert [row[0] for row in page.tables["trials"][1:]] == ["0", "1"]
    assert [row[0] for row in page.tables["pareto"][1:]] == [
        "5.0%",
        "10.0%",
        "30.0%",
        "50.0%",
    ]
    assert len(page.images) == 4
    assert page.text.index("The sweep") < page.text.index("Verdict by round")


def test_the_figure_is_written(tmp_path):
    pytest.importorskip("matplotlib")
    FOUND.plot(tmp_path / "front.png")
    assert (tmp_path / "front.png").stat().st_size > 10_000


def lines_of(figure):
    """The colour and marker of each line of a figure, by its name in a legend."""
    texts = [text for legend in figure.legends for text in legend.get_texts()]
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    return {
        name: (lines[name].get_color(), lines[name].get_marker())
        for name in (text.get_text() for text in texts)
    }


@pytest.mark.parametrize("trials, named", [(2, 2), (12, 12), (15, 12)])
def test_each_of_the_best_trials_has_a_name_a_colour_and_a_marker(trials, named):
    pytest.importorskip("matplotlib")
    found = lines_of(sweep(*[ONE] * trials).plot())
    looks = [found[name] for name in found if ": pruning_rate" in name]
    assert len({color for color, _ in looks}) == named
    assert len({marker for _, marker in looks}) == named
    assert ("3 more trials" in found) == (trials == 15)


def test_trials_on_the_front_have_a_name_wherever_they_rank():
    pytest.importorskip("matplotlib")
    worse = history([(1.0, 0.90, 60), (0.5, 0.91, 50)])
    found = lines_of(sweep(*[worse] * 15, TWO).plot())
    assert any(name.startswith("15: ") for name in found)


def test_a_trial_is_named_by_what_it_chose_otherwise_than_another():
    pytest.importorskip("matplotlib")
    shared = {"epochs": 3, "scope": "layerwise"}
    trials = [
        Trial(f"{n}", {**shared, "pruning_rate": 0.1 * n, **more}, 0.5, ONE)
        for n, more in enumerate([{}, {"criterion": "a_name_" * 20}], 1)
    ]
    found = list(lines_of(Sweep(tuple(trials), (), "score", 1, 1).plot()))
    assert "1: pruning_rate 0.1" in found
    (long,) = (name for name in found if name.startswith("2: pruning_rate 0.2, crit"))
    assert len(long) == 54 and long.endswith("...")
    alone = Sweep((trials[0],), (), "score", 1, 1)
    assert "1" in lines_of(alone.plot())
