import dataclasses
import math

from tests.fakes import history, replicated
from tests.report.frame_test import TWO
from tf_lottery import Plan, report
from tf_lottery.report.table import unfinished


def lines_with(text, word):
    return [" ".join(line.split()) for line in text.splitlines() if word in line]


def test_one_replicate_without_controls_has_each_number_as_it_is():
    text = report.table(history([(1.0, 0.95, 100), (0.4, 0.96, 90)]))
    assert lines_with(text, "<- ticket") == ["1 40.0% 0.9600 90 0.0 <- ticket"]


def test_replicates_are_one_line_a_round_with_means():
    rounds, _ = report.table(TWO).split("control", 1)
    (line,) = lines_with(rounds, "<- ticket")
    # Gains: 0.82 - 0.80 and 0.81 - 0.82.
    assert line == "2 25.0% 0.9150 0.8150 +0.50 65 2/2 <- ticket"
    assert ".9100 to .9200 .8100 to .8200 -18.56 to +19.56" in " ".join(rounds.split())


def test_it_says_in_how_many_replicates_the_ticket_wins():
    dense, worse = (1.0, 0.90, 0.8, 100), (0.5, 0.89, 0.8, 100)
    text = report.table(replicated([dense, (0.5, 0.95, 0.8, 100)], [dense, worse]))
    assert lines_with(text, " 50.0%")[0].endswith("1/2 <- ticket")


def test_controls_have_a_table_of_their_own():
    (reinit,) = lines_with(report.table(TWO), "reinit")
    # Tickets 0.84 and 0.83 against the means 0.72 and 0.78.
    assert reinit == "1 50.0% reinit 3 0.7400 +8.50 110"
    (shuffle,) = lines_with(report.table(TWO), "shuffle")
    assert shuffle == "2 25.0% shuffle 1 0.6000 +22.00 100"


def test_it_fits_the_terminal_of_the_readme():
    five = replicated(
        *[
            [(1.0, 0.97 + r / 1000, 0.971 + r / 999, 123_456)]
            + [(0.8**n, 0.98 + r / 990, 0.981 + r / 970, 98_765) for n in (1, 2, 9)]
            for r in range(5)
        ]
    )
    text = report.table(five, width=88)
    assert max(map(len, text.splitlines())) <= 88
    assert "…" not in text
    assert len(lines_with(text, "%")) == 4


def test_one_replicate_with_controls_says_nothing_of_wins():
    one = dataclasses.replace(
        TWO,
        replicates=TWO.replicates[:1],
        controls=tuple(c for c in TWO.controls if c.replicate == 0),
    )
    text = report.table(one)
    assert "wins" not in text
    assert lines_with(text, "reinit") == ["1 50.0% reinit 2 0.7200 +12.00 100"]


def test_scores_that_are_no_numbers_are_shown_as_such():
    nan = math.nan
    text = report.table(
        replicated(
            [(1.0, 0.9, 0.8, 100), (0.5, nan, nan, 80)],
            [(1.0, 0.9, 0.8, 100), (0.5, 0.7, 0.6, 80)],
        )
    )
    (line,) = lines_with(text, "50.0%")
    assert line.split()[:4] == ["1", "50.0%", "nan", "0.6000"]


def test_a_loss_has_gains_in_its_own_unit():
    one, other = (
        history([(1.0, 2.0, 9), (0.5, loss, 9)], monitor="val_loss", maximize=False)
        for loss in (1.5, 1.4)
    )
    second = tuple(dataclasses.replace(round, replicate=1) for round in other)
    both = dataclasses.replace(one, replicates=(tuple(one), second))
    text = report.table(both)
    assert lines_with(text, " 50.0%") == ["1 50.0% 1.4500 +0.55 9 2/2 <- ticket"]
    assert "points" not in text


def test_names_are_shown_as_they_are(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    rows = [(1.0, 0.9, 0.8, 9), (0.5, 0.9, 0.8, 9)]
    text = report.table(
        replicated(rows, controls={(0, "[red]:smile:\x1b[2J", 0, 1): (0.8, 0.7, 9)})
    )
    assert "[red]:smile:\\x1b[2J" in text
    assert "\x1b" not in text


def test_what_is_not_trained_yet_is_said():
    one = history([(1.0, 0.9, 1), (0.5, 0.9, 1)], plan=Plan(rounds=2))
    assert unfinished(one) == "2 of 3 rounds are finished."
    assert unfinished(TWO) == "9 of 14 trainings are finished."
    assert unfinished(dataclasses.replace(one, plan=Plan(rounds=1))) == ""


def test_gains_that_are_all_equal_have_no_interval():
    rows = [(1.0, 0.9, 0.5, 9), (0.5, 0.9, 0.75, 9)]
    (line,) = lines_with(report.table(replicated(rows, rows)), " 50.0%")
    assert "+25.00" in line
    assert "+25.00 to" not in report.table(replicated(rows, rows))
