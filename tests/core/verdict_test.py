"""Which round is returned: every branch of the paper's definition, and its words."""

import numpy as np
import pytest

from tests.fakes import history
from tf_lottery.core.plan import Plan
from tf_lottery.core.verdict import judge

DENSE = (1.0, 0.90, 100)


def chosen(*rows, **options):
    verdict = judge(history([DENSE, *rows], **options))
    return verdict.chosen, verdict.won


# Rows are (density, validation score, step of minimum validation loss).


def test_the_sparsest_winner_is_chosen():
    rows = (0.5, 0.95, 80), (0.4, 0.91, 90), (0.3, 0.89, 50)
    assert chosen(*rows) == (2, True)


def test_a_sparser_match_that_is_later_does_not_beat_a_winner():
    assert chosen((0.4, 0.91, 90), (0.3, 0.91, 110)) == (1, True)


def test_a_denser_failure_between_does_not_hide_a_winner():
    assert chosen((0.5, 0.80, 80), (0.4, 0.91, 90)) == (2, True)


def test_an_equal_score_at_an_equal_step_and_half_the_weights_wins():
    assert chosen((0.5, 0.90, 100)) == (1, True)


def test_a_later_step_matches_and_does_not_win():
    assert chosen((0.5, 0.92, 101)) == (1, False)


def test_more_than_half_of_the_weights_matches_and_does_not_win():
    assert chosen((0.501, 0.92, 80)) == (1, False)


def test_without_a_winner_the_sparsest_match_is_chosen():
    rows = (0.8, 0.95, 80), (0.4, 0.91, 120), (0.3, 0.89, 50)
    assert chosen(*rows) == (2, False)


def test_without_a_match_the_best_pruned_round_is_chosen():
    assert chosen((0.8, 0.85, 80), (0.5, 0.88, 80), (0.3, 0.7, 80)) == (2, False)


def test_of_equally_good_rounds_the_sparser_is_chosen():
    assert chosen((0.8, 0.88, 80), (0.5, 0.88, 80), (0.3, 0.7, 80)) == (2, False)


def test_the_dense_round_is_chosen_only_when_nothing_was_pruned():
    verdict = judge(history([DENSE]))
    assert (verdict.chosen, verdict.won) == (0, False)
    assert "No round was pruned" in verdict.reason


def test_a_lower_score_wins_where_lower_is_better():
    options = {"monitor": "val_loss", "maximize": False}
    assert chosen((0.5, 0.90, 90), (0.4, 0.89, 90), (0.3, 0.91, 90), **options) == (
        2,
        True,
    )
    assert chosen((0.5, 0.99, 90), (0.4, 0.95, 90), **options) == (2, False)


# Tolerance.


def test_a_score_within_the_tolerance_matches():
    plan = Plan(tolerance=0.02)
    assert chosen((0.5, 0.89, 90), plan=plan) == (1, True)
    assert chosen((0.5, 0.87, 90), plan=plan) == (1, False)


def test_the_tolerance_is_one_sided():
    assert chosen((0.5, 0.99, 90), plan=Plan(tolerance=0.02)) == (1, True)


def test_the_tolerance_applies_where_lower_is_better():
    options = {"monitor": "val_loss", "maximize": False, "plan": Plan(tolerance=0.02)}
    assert chosen((0.5, 0.91, 90), **options) == (1, True)
    assert chosen((0.5, 0.93, 90), **options) == (1, False)


def test_a_score_exactly_the_tolerance_below_matches():
    # Accuracies on 5,000 images differ by multiples of 0.0002, in steps of rounding.
    plan = Plan(tolerance=0.002)
    lost = [
        images
        for images in range(4700, 4900)
        if not judge(
            history([(1, images / 5000, 9), (0.5, (images - 10) / 5000, 9)], plan=plan)
        ).won
    ]
    assert lost == []


# Scores that are no numbers.


def test_a_nan_score_never_matches():
    assert chosen((0.5, 0.91, 90), (0.4, np.nan, 90)) == (1, True)


def test_a_nan_score_is_never_the_best():
    assert chosen((0.8, np.nan, 80), (0.5, 0.8, 80)) == (2, False)
    assert chosen((0.8, 0.8, 80), (0.5, np.nan, 80)) == (1, False)


def test_nothing_matches_a_dense_network_without_a_score():
    rows = [(1.0, np.nan, 100), (0.5, 0.8, 80), (0.4, 0.9, 80), (0.3, 0.7, 80)]
    verdict = judge(history(rows))
    assert (verdict.chosen, verdict.won) == (2, False)


# Without validation data.


def test_nothing_wins_without_validation_data():
    verdict = judge(history([DENSE, (0.5, 0.95, 80)], monitor="accuracy"))
    assert (verdict.chosen, verdict.won) == (1, False)
    assert "without validation data" in verdict.reason


def test_without_validation_data_the_sparsest_match_else_the_best_is_chosen():
    matching = (0.5, 0.95, 80), (0.4, 0.9, 300), (0.3, 0.8, 10)
    assert chosen(*matching, monitor="accuracy") == (2, False)
    worse = (0.5, 0.7, 80), (0.4, 0.8, 300), (0.3, 0.6, 10)
    assert chosen(*worse, monitor="accuracy") == (2, False)


# Steps of a late rewind are counted from the initialisation, as the dense ones are.


def test_a_late_rewound_ticket_is_as_early_as_its_own_step_says():
    plan = Plan(rewind_to=50)
    assert chosen((0.5, 0.91, 100), plan=plan) == (1, True)
    assert chosen((0.5, 0.91, 101), plan=plan) == (1, False)


# The reason in words.


def reason(*rows, **options):
    return judge(history([DENSE, *rows], **options)).reason


def test_a_winners_reason_has_density_scores_and_steps():
    text = reason((0.211, 0.9123, 90))
    for part in (
        "winning ticket",
        "21.1%",
        "val_accuracy 0.9123",
        "0.9000",
        "90",
        "100",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("row", "lacks"),
    [
        ((0.8, 0.95, 80), "more than 50%"),
        ((0.4, 0.95, 1234), "step 1,234 (dense 100)"),
        ((0.4, 0.85, 80), "No ticket matches"),
    ],
)
def test_a_losers_reason_says_what_it_lacks(row, lacks):
    assert lacks in reason(row)
