"""Which round is returned: every branch of the paper's definition, and its words."""

import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import history, replicated
from tf_lottery.core.plan import Plan
from tf_lottery.verdict.judge import judge, smallest_winning

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


# What was not rewound, and what was not trained long enough.


@pytest.mark.parametrize("retrain", ["lr_rewind", "fine_tune"])
def test_a_ticket_that_was_not_rewound_matches_and_does_not_win(retrain):
    verdict = judge(history([DENSE, (0.4, 0.95, 50)], plan=Plan(retrain=retrain)))
    assert (verdict.chosen, verdict.won) == (1, False)
    assert verdict.rounds[1].matches
    assert "but it was not rewound: its training began with trained" in verdict.reason
    assert "earlier" not in verdict.reason


def test_a_late_rewind_is_one():
    assert chosen((0.4, 0.95, 50), plan=Plan(rewind_to=10)) == (1, True)


def test_trainings_that_all_end_at_their_minimum_are_called_too_short():
    short = judge(history([DENSE, (0.4, 0.95, 100)]))
    assert short.won and short.rounds[1].too_short
    assert "lowest at the last step of both: train longer" in short.reason
    enough = judge(history([DENSE, (0.4, 0.95, 99)]))
    assert not enough.rounds[1].too_short
    assert "train longer" not in enough.reason


def test_one_validation_pass_is_told_as_one():
    once = history([DENSE, (0.4, 0.95, 100)])
    for round in once:
        round.outcome.curves["step"][:] = [100]
    assert "validated only once: use a smaller `evaluate_every`" in judge(once).reason


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


def test_a_score_a_thousandth_of_the_tolerance_too_low_does_not_match():
    plan = Plan(tolerance=0.02)
    assert chosen((0.5, 0.9 - 0.02001, 90), plan=plan) == (1, False)


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


# Over replicates. Rows are (density, validation, test, best step).

FIRST, SECOND = (1.0, 0.90, 0.89, 100), (1.0, 0.92, 0.91, 200)


def over(*tickets, dense=(FIRST, SECOND), **options):
    """The verdict of one pruned round of each replicate."""
    searches = [[d, t] for d, t in zip(dense, tickets, strict=True)]
    return judge(replicated(*searches, **options))


def test_the_means_are_judged_and_winners_counted():
    verdict = over((0.4, 0.95, 0.9, 90), (0.4, 0.91, 0.9, 190))
    (_, round), won = verdict.rounds, verdict.won
    assert (won, round.wins, round.wins_in) == (True, True, 1)
    assert round.score.values == (0.95, 0.91)
    assert round.test.values == (0.9, 0.9)
    assert round.best_step.mean == 140
    assert round.density == 0.4


def test_a_mean_below_the_dense_mean_does_not_match():
    verdict = over((0.4, 0.91, 0.9, 90), (0.4, 0.89, 0.9, 190))
    assert (verdict.won, verdict.rounds[1].matches) == (False, False)
    assert verdict.rounds[1].wins_in == 1


def test_a_mean_step_that_is_later_matches_and_does_not_win():
    verdict = over((0.4, 0.95, 0.9, 10), (0.4, 0.95, 0.9, 291))
    assert (verdict.won, verdict.rounds[1].matches) == (False, True)


def test_means_of_as_many_images_match():
    rng = np.random.default_rng(0)
    for _ in range(200):
        images = rng.integers(4500, 4900, 5)
        moved = images + np.array([3, -3, 5, -5, 0])
        ours, dense = np.float32(moved / 5000), np.float32(images / 5000)
        searches = [
            [(1.0, float(d), 0.9, 9), (0.4, float(o), 0.9, 9)]
            for o, d in zip(ours, dense, strict=True)
        ]
        assert judge(replicated(*searches)).won


def test_the_ticket_is_that_of_the_replicate_with_the_best_score():
    verdict = over((0.4, 0.94, 0.9, 90), (0.4, 0.95, 0.9, 190))
    assert (verdict.chosen, verdict.replicate) == (1, 1)
    verdict = over((0.4, 0.95, 0.9, 90), (0.4, 0.95, 0.9, 190))
    assert verdict.replicate == 0
    verdict = over((0.4, np.nan, 0.9, 90), (0.4, 0.5, 0.9, 190))
    assert (verdict.won, verdict.replicate) == (False, 1)


def test_a_score_that_is_missing_in_one_replicate_is_no_match():
    verdict = over((0.4, 0.95, 0.9, 90), (0.4, np.nan, 0.9, 190))
    assert not verdict.won
    assert verdict.rounds[1].wins_in == 1


def test_a_round_is_judged_over_the_replicates_that_have_it():
    rows = [FIRST, (0.4, 0.95, 0.9, 90)]
    verdict = judge(replicated(rows, [SECOND], rows, [], [FIRST]))
    round = verdict.rounds[1]
    assert (round.replicates, round.of, round.wins_in) == (2, 5, 2)
    assert "means of the 2 of 5 replicates that have this round" in verdict.reason
    verdict = judge(replicated([FIRST], rows))
    assert (verdict.chosen, verdict.replicate, verdict.won) == (1, 1, True)
    assert "; 1 of 2 replicates has this round." in verdict.reason


def test_test_figures_contradict_and_never_decide():
    tickets = [(0.4, 0.95, test, 90) for test in (0.85, 0.86, 0.87, 0.86, 0.85)]
    verdict = over(*tickets, dense=[FIRST] * 5)
    assert verdict.won
    assert verdict.rounds[1].contradicted
    assert "The test figures contradict the choice" in verdict.reason
    tolerant = over(*tickets, dense=[FIRST] * 5, plan=Plan(tolerance=0.05))
    assert not tolerant.rounds[1].contradicted


def test_the_smallest_winning_round_is_of_the_best_replicate():
    first = [FIRST, (0.4, 0.95, 0.9, 90), (0.3, 0.93, 0.9, 90), (0.2, 0.1, 0.9, 90)]
    second = [SECOND, (0.4, 0.93, 0.9, 90), (0.3, 0.94, 0.9, 90), (0.2, 0.1, 0.9, 90)]
    searches = replicated(first, second)
    assert smallest_winning(searches) is searches.replicates[1][2]
    assert smallest_winning(replicated(first[:1])) is None
    assert smallest_winning(history([DENSE, (0.4, 0.1, 80)])) is None


SCORES = st.sampled_from([0.88, 0.9, 0.91, 0.93, float("nan")])
TICKETS = st.lists(
    st.tuples(st.just(0.4), SCORES, SCORES, st.sampled_from([80, 100, 120])),
    min_size=2,
    max_size=5,
)


@given(TICKETS, st.integers())
def test_the_order_of_the_replicates_does_not_matter(tickets, seed):
    order = random.Random(seed).sample(range(len(tickets)), len(tickets))

    def verdict(which):
        dense = [(1.0, 0.9 + r / 100, 0.9, 100 + r) for r in which]
        controls = {
            (place, "reinit", 0, 1): (0.9, 0.85 + r / 100, 200)
            for place, r in enumerate(which)
        }
        return over(*(tickets[r] for r in which), dense=dense, controls=controls)

    plain, swapped = verdict(range(len(tickets))), verdict(order)
    assert plain.won == swapped.won
    assert plain.reason == swapped.reason
    assert plain.rounds[1].wins_in == swapped.rounds[1].wins_in
    if plain.rounds[1].score.values.count(plain.rounds[1].score.high) == 1:
        assert order[swapped.replicate] == plain.replicate


def test_a_record_has_every_number_and_is_json():
    controls = {(r, "reinit", 0, 1): (0.9, 0.85, 200) for r in range(2)}
    tickets = (0.4, 0.95, 0.9, 90), (0.4, 0.91, 0.93, 190)
    verdict = over(*tickets, controls=controls)
    record = json.loads(json.dumps(verdict.record()))
    assert record["won"] is True
    assert record["rounds"][1]["validation"]["other"]["values"] == [0.90, 0.92]
    differences = record["rounds"][1]["differences"]
    assert [(d["against"], d["metric"]) for d in differences] == [
        ("dense", "test_accuracy"),
        ("dense", "best_step"),
        ("reinit", "test_accuracy"),
        ("reinit", "best_step"),
    ]
    assert differences[0]["difference"]["values"] == [0.01, 0.02]
    assert len(differences[0]["difference"]["interval"]) == 2


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


def test_one_replicate_is_told_as_before_replicates():
    rows = [(1.0, 0.9776, 0.97, 2900), (0.036, 0.9788, 0.98, 2900)]
    assert judge(replicated(rows)).reason == (
        "A winning ticket: 3.6% of the weights, val_accuracy 0.9788 (dense 0.9776), "
        "minimum validation loss is at step 2,900 (dense 2,900)."
    )


def test_a_round_that_some_replicates_lack_is_not_chosen():
    rows = [(1.0, 0.9, 0.9, 50), (0.5, 0.91, 0.9, 40), (0.25, 0.95, 0.9, 30)]
    whole = judge(replicated(rows, rows))
    begun = judge(replicated(rows, rows[:2]))
    assert (whole.chosen, whole.won) == (2, True)
    assert (begun.chosen, begun.won) == (1, True)
    assert begun.rounds[2].wins  # of the one that has it, and told as such


def test_a_replicate_that_has_only_trained_dense_does_not_stop_the_choice():
    rows = [(1.0, 0.9, 0.9, 50), (0.5, 0.91, 0.9, 40)]
    assert judge(replicated(rows, rows[:1])).chosen == 1


def test_controls_of_another_round_are_told_where_the_chosen_one_has_none():
    rows = [(1.0, 0.9, 0.90, 50), (0.5, 0.91, 0.93, 40), (0.25, 0.9, 0.92, 30)]
    controls = {(r, "reinit", 0, 1): (0.8, 0.8 + r / 100, 60) for r in (0, 1)}
    verdict = judge(replicated(rows, rows, controls=controls))
    assert verdict.chosen == 2
    assert "the nearest ticket with controls, of round 1" in verdict.reason
    assert "reinit by 12.5" in verdict.reason


def test_a_chosen_round_with_controls_tells_of_its_own_alone():
    rows = [(1.0, 0.9, 0.90, 50), (0.5, 0.91, 0.93, 40), (0.25, 0.9, 0.92, 30)]
    controls = {(r, "reinit", 0, 2): (0.8, 0.8 + r / 100, 60) for r in (0, 1)}
    assert "no controls" not in judge(replicated(rows, rows, controls=controls)).reason
