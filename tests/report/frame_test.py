import csv
import dataclasses
import json
import math

import pytest

from tests.fakes import history, replicated
from tf_lottery import Plan, report
from tf_lottery.report.frame import Frame
from tf_lottery.verdict.judge import judge

# (density, validation, test, best step)
TWO = replicated(
    [(1.0, 0.90, 0.80, 100), (0.5, 0.92, 0.84, 80), (0.25, 0.91, 0.82, 60)],
    [(1.0, 0.91, 0.82, 120), (0.5, 0.93, 0.83, 90), (0.25, 0.92, 0.81, 70)],
    controls={
        (0, "reinit", 0, 1): (0.88, 0.70, 100),
        (0, "reinit", 1, 1): (0.89, 0.74, 100),
        (1, "reinit", 0, 1): (0.90, 0.78, 130),
        (0, "shuffle", 0, 2): (0.80, 0.60, 100),
    },
    plan=Plan(rounds=2, replicates=2, controls=("reinit", "shuffle")),
)


def figures(searches, path):
    report.figures_to_csv(searches, path / "figures.csv")
    with open(path / "figures.csv", newline="") as file:
        return list(csv.DictReader(file))


def numbers(rows, **where):
    (row,) = (r for r in rows if all(r[k] == str(v) for k, v in where.items()))
    return [float(row[name]) for name in ("n", "mean", "low", "high")]


def test_lines_are_tickets_then_controls_then_dense():
    assert [line.name for line in Frame(TWO).lines] == [
        *("ticket", "reinit", "shuffle", "dense")
    ]


def test_a_point_pools_replicates_and_the_draws_of_a_control(tmp_path):
    rows = figures(TWO, tmp_path)
    of = {"figure": "accuracy", "metric": "test_accuracy"}
    assert numbers(rows, line="ticket", round=1, **of) == pytest.approx(
        [2, 0.835, 0.83, 0.84]
    )
    assert numbers(rows, line="reinit", round=1, **of) == pytest.approx(
        [3, 0.74, 0.70, 0.78]
    )
    assert numbers(rows, line="dense", round=0, **of) == pytest.approx(
        [2, 0.81, 0.80, 0.82]
    )
    of["metric"] = "best_step"
    assert numbers(rows, line="reinit", round=1, **of) == [3, 110, 100, 130]


def test_a_control_has_points_where_it_was_trained():
    lines = {line.name: line for line in Frame(TWO).lines}
    assert [point.round for point in lines["shuffle"].points] == [2]
    assert [point.density for point in lines["reinit"].points] == [0.5]


def test_learning_curves_are_those_that_are_drawn_by_step(tmp_path):
    rows = [row for row in figures(TWO, tmp_path) if row["figure"] == "curves"]
    of = {"line": "ticket", "round": 1, "metric": "val_loss"}
    assert numbers(rows, step=50, **of) == [2, 0.3, 0.3, 0.3]
    assert {(row["line"], row["round"]) for row in rows} == {
        *(("ticket", "0"), ("ticket", "1"), ("ticket", "2"), ("shuffle", "2"))
    }


def test_curves_meet_at_the_steps_that_all_have():
    def stopped(round):
        curves = {"step": [50], "val_loss": [0.5]}
        outcome = dataclasses.replace(round.outcome, curves=curves)
        return dataclasses.replace(round, outcome=outcome)

    one, other = TWO.replicates
    early = (one, (*other[:1], stopped(other[1]), *other[2:]))
    (line, *_) = Frame(dataclasses.replace(TWO, replicates=early)).lines
    (step, spread), *rest = line.points[1].curve("val_loss").items()
    assert (step, spread.values, rest) == (50, (0.3, 0.5), [])


def test_the_density_of_layers_is_in_the_files(tmp_path):
    rows = [row for row in figures(TWO, tmp_path) if row["figure"] == "layers"]
    assert numbers(rows, layer="dense/kernel", round=2) == [2, 0.25, 0.25, 0.25]


def test_json_has_the_same_numbers_as_csv(tmp_path):
    rows = figures(TWO, tmp_path)
    report.to_json(TWO, tmp_path / "summary.json")
    summary = json.loads((tmp_path / "summary.json").read_text())
    for figure, name in ("accuracy", "lines"), ("curves", "curves"), ("layers",) * 2:
        there = [row for row in rows if row["figure"] == figure]
        assert len(there) == len(summary[name])
        for row, written in zip(there, summary[name], strict=True):
            assert {k: row[k] for k in written} == {
                k: str(v) for k, v in written.items()
            }


def test_json_has_each_training_of_replicates_and_controls(tmp_path):
    report.to_json(TWO, tmp_path / "summary.json")
    rounds = json.loads((tmp_path / "summary.json").read_text())["rounds"]
    assert len(rounds) == 6 + 4
    assert [each["control"] for each in rounds[6:]] == [*["reinit"] * 3, "shuffle"]
    assert rounds[-1]["curves"]["val_loss"] == [0.3, 0.4]


def test_scores_that_are_no_numbers_are_left_out_and_counted(tmp_path):
    nan = math.nan
    partly = replicated(
        [(1.0, 0.9, 0.8, 100), (0.5, nan, nan, 80)],
        [(1.0, 0.9, 0.8, 100), (0.5, 0.7, 0.6, 80)],
    )
    rows = figures(partly, tmp_path)
    of = {"line": "ticket", "round": 1, "metric": "test_accuracy"}
    assert numbers(rows, trainings=2, **of) == [1, 0.6, 0.6, 0.6]


def test_a_score_that_no_training_has_is_no_point(tmp_path):
    rows = figures(history([(1.0, 0.9, 1), (0.8, math.nan, 1)]), tmp_path)
    scores = [row for row in rows if row["metric"] == "val_accuracy"]
    assert {row["round"] for row in scores} == {"0"}


def test_replicates_that_are_not_finished_count_where_they_are(tmp_path):
    first, second = TWO.replicates
    growing = dataclasses.replace(TWO, replicates=(first, second[:1]))
    rows = figures(growing, tmp_path)
    of = {"line": "ticket", "metric": "val_accuracy"}
    assert numbers(rows, round=0, **of)[0] == 2
    assert numbers(rows, round=1, **of)[0] == 1


def test_the_figures_show_test_scores_where_there_are_any():
    assert Frame(TWO).score == "test_accuracy"
    assert Frame(history([(1.0, 0.9, 1)])).score == "val_accuracy"


def test_curves_show_dense_chosen_between_and_last():
    rows = [(0.8**n, 0.9 if n < 7 else 0.5, 100) for n in range(10)]
    assert Frame(history(rows)).curve_rounds == [0, 3, 6, 9]
    assert Frame(history(rows[:1])).curve_rounds == [0]


def test_controls_are_compared_in_a_round_not_after_the_chosen_one():
    assert controlled_round(history([(1.0, 0.9, 1)])) is None
    assert judge(TWO).chosen == 2
    assert controlled_round(TWO) == 2
    reinit = [control for control in TWO.controls if control.control == "reinit"]
    assert controlled_round(dataclasses.replace(TWO, controls=tuple(reinit))) == 1
    rows = [(0.8**n, 0.9 if n < 4 else 0.5, 9) for n in range(6)]
    assert controlled_round(with_controls_in(rows, 1, 4)) == 1
    assert controlled_round(with_controls_in(rows, 4, 5)) == 4


def controlled_round(history):
    return Frame(history).controlled_round


def with_controls_in(rows, *rounds):
    tickets = history(rows)
    controls = (dataclasses.replace(tickets[n], control="reinit") for n in rounds)
    return dataclasses.replace(tickets, controls=tuple(controls))


def test_the_panel_of_controls_has_dense_and_the_ticket_too():
    drawn = [(line.kind, p.round) for line, p in Frame(TWO).curves["controls"]]
    assert drawn == [("ticket", 0), ("ticket", 2), ("shuffle", 2)]


class TestSeveralSearches:
    SHOTS = tuple(
        replicated([(1.0, 0.9, 0.8, 100), (density, 0.8, score, 90)])
        for density, score in ((0.1, 0.5), (0.5, 0.7))
    )

    def test_lines_are_called_by_their_search(self):
        lines = Frame({"iterative": TWO, "one-shot": self.SHOTS}).lines
        assert [line.name for line in lines] == [
            *("iterative", "iterative: reinit", "iterative: shuffle"),
            *("iterative: dense", "one-shot", "one-shot: dense"),
        ]

    def test_several_histories_are_points_of_one_line(self):
        line = Frame({"one-shot": self.SHOTS}).lines[0]
        assert [point.density for point in line.points] == [1.0, 0.5, 0.1]
        assert [p.spread("test_accuracy").mean for p in line.points] == [0.8, 0.7, 0.5]

    def test_a_training_that_two_histories_share_counts_once(self):
        line = Frame({"one-shot": self.SHOTS}).lines[0]
        assert len(line.points[0].trainings) == 1

    def test_equal_searches_with_other_seeds_are_pooled(self):
        one = self.SHOTS[0]
        other = dataclasses.replace(one, plan=Plan(seed=1))
        line = Frame({"one-shot": [one, other]}).lines[0]
        assert [len(point.trainings) for point in line.points] == [2, 2]

    def test_the_figure_and_its_numbers_hold_all_of_them(self, tmp_path):
        searches = {"iterative": TWO, "one-shot": self.SHOTS}
        report.plot(searches, tmp_path / "both.png")
        assert (tmp_path / "both.png").read_bytes().startswith(b"\x89PNG")
        rows = figures(searches, tmp_path)
        assert {row["search"] for row in rows} == set(searches)
