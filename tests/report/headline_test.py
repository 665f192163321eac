"""The headline of a report: the ticket against dense, and the most accurate ticket."""

import dataclasses

from tests.fakes import history, replicated
from tests.report.frame_test import TWO
from tests.report.html_test import page
from tf_lottery import Plan
from tf_lottery.report.frame import Frame
from tf_lottery.report.headline import headline

# (density, validation, test, best step)
DENSE = (1.0, 0.90, 0.885, 3000)
ONE = replicated([DENSE, (0.5, 0.95, 0.91, 2900), (0.2, 0.91, 0.88, 2400)])


def facts(found):
    return [tuple(fact) for fact in headline(Frame(found))]


def test_a_ticket_is_compared_with_dense_in_test_score_and_steps():
    assert facts(ONE) == [
        ("test_accuracy of the ticket", "0.8800", "dense 0.8850, -0.50 points"),
        (
            "Most accurate ticket, by validation",
            "50.0% of the weights",
            "round 1, val_accuracy 0.9500, test_accuracy 0.9100 "
            "(dense 0.8850, +2.50 points)",
        ),
        (
            "Minimum validation loss",
            "600 steps earlier",
            "20.0% earlier than dense: step 2,400, dense 3,000",
        ),
    ]


def test_a_later_or_an_equal_step_is_said():
    later = facts(replicated([DENSE, (0.5, 0.95, 0.91, 3001)]))[-1]
    assert later[1:] == (
        "1 step later",
        "0.0% later than dense: step 3,001, dense 3,000",
    )
    equal = facts(replicated([DENSE, (0.5, 0.95, 0.91, 3000)]))[-1]
    assert equal[1] == "Same step as dense"
    assert equal[2] == "step 3,000, dense 3,000"


def test_means_that_may_be_chance_are_not_resolved():
    score, best, _ = facts(TWO)
    assert score == (
        "test_accuracy of the ticket",
        "0.8150",
        "dense 0.8100, +0.50 points, not resolved",
    )
    assert best[1] == "50.0% of the weights"


def test_without_test_data_the_monitored_score_is_said():
    losses = history(
        [(1.0, 0.5, 90), (0.5, 0.3, 80), (0.2, 0.4, 70)],
        monitor="val_loss",
        maximize=False,
    )
    score, best, _ = facts(losses)
    assert score == ("val_loss of the ticket", "0.4000", "dense 0.5000, -0.1")
    assert best == (
        "Best ticket, by validation",
        "50.0% of the weights",
        "round 1, val_loss 0.3000",
    )


def test_without_validation_data_nothing_is_said_of_it():
    found = facts(history([(1.0, 0.5, 90), (0.5, 0.6, 80)], monitor="accuracy"))
    assert [name for name, *_ in found] == [
        "accuracy of the ticket",
        "Most accurate ticket, by training",
    ]


def test_equal_scores_are_equal_and_not_unresolved():
    same = replicated([DENSE, (0.5, 0.95, 0.885, 2900)])
    assert facts(same)[0][2] == "dense 0.8850, equal"


def test_steps_of_trained_weights_are_not_compared():
    tuned = dataclasses.replace(ONE, plan=Plan(retrain="fine_tune"))
    assert len(facts(tuned)) == 2


def test_a_dense_network_has_no_headline():
    assert facts(history([(1.0, 0.9, 100)])) == []


def test_the_page_begins_with_the_headline(tmp_path):
    text = page(ONE, tmp_path).text
    places = [text.index(part) for fact in facts(ONE) for part in fact]
    assert places == sorted(places)
    assert places[-1] < text.index("A winning ticket by validation")
