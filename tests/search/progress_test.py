"""What a user sees of a search, in a terminal that is none."""

import dataclasses

import numpy as np

from tests.fakes import history
from tf_lottery.core.plan import Plan
from tf_lottery.search.progress import Progress


def line(capsys, **metrics):
    round = history([(1.0, 0.9, 50), (0.8, 0.9, 40)])[1]
    outcome = dataclasses.replace(round.outcome, metrics=metrics, seconds=2.5)
    Progress(2, Plan(rounds=15), 1000).line(
        dataclasses.replace(round, outcome=outcome), "val_accuracy"
    )
    return capsys.readouterr().out


def test_a_line_says_round_density_scores_step_and_seconds(capsys):
    text = line(capsys, val_accuracy=0.91, test_accuracy=0.9)
    for part in ("1/15", "80.0%", "val_accuracy 0.9100", "test_accuracy 0.9000", "40"):
        assert part in text
    assert "2.5 s" in text


def test_a_score_that_is_no_number_does_not_stop_the_search(capsys):
    assert "val_accuracy nan" in line(capsys, val_accuracy=np.nan)


def test_what_stands_above_a_bar_is_shown_with_it_in_a_terminal(capsys, monkeypatch):
    ticket = history([(1.0, 0.9, 50)])[0].ticket
    for terminal in (False, True):
        monkeypatch.setenv("FORCE_COLOR", "1" * terminal)
        progress = Progress(1, Plan(rounds=2), 100, above="The table [so far]")
        with progress.training(ticket) as report:
            report(100, {"loss": 0.5})
        shown = capsys.readouterr().out
        assert ("The table [so far]" in shown) == terminal
        assert ("loss: 0.5000" in shown) == terminal


def test_a_notebook_shows_plain_lines(capsys, notebook):
    ticket = history([(1.0, 0.9, 50)])[0].ticket
    progress = Progress(1, Plan(rounds=2), 100)
    progress.begin(0, "runs/lenet")
    with progress.training(ticket) as report:
        report(100, {"loss": 0.5})
    shown = capsys.readouterr().out
    assert shown == "3 trainings of 100 steps; run directory: runs/lenet\n"


def test_silent_says_nothing(capsys):
    progress = Progress(0, Plan(rounds=15), 1000)
    progress.begin(3, "runs/lenet")
    progress.say("hello")
    assert capsys.readouterr().out == ""


def test_the_beginning_says_the_cost_and_what_is_done_already(capsys):
    Progress(1, Plan(rounds=15), 2000).begin(3, "runs/lenet")
    text = capsys.readouterr().out
    for part in ("16 trainings", "2,000 steps", "3 done already", "runs/lenet"):
        assert part in text


def test_the_time_of_all_is_estimated_once_after_the_first_steps(capsys, monkeypatch):
    now = iter([0.0, 10.0, 10.0, 12.0, 16.0, 20.0, 30.0])
    monkeypatch.setattr("tf_lottery.search.progress.time.monotonic", lambda: next(now))
    progress = Progress(2, Plan(rounds=3), 1000, rewind_step=200)
    with progress.training(history([(1.0, 0.9, 50)])[0].ticket) as report:
        for step in (100, 200, 400, 900):  # 300 steps in 6 s
            report(step, {"loss": 0.5})
    # 600 steps of this training and 800 of each of three more, 50 a second.
    assert capsys.readouterr().out == (
        "About 1 min 00 s left, at the speed of the first steps.\n"
    )
