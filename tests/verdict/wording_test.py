"""Sentences claim no more than the numbers carry."""

import dataclasses

import pytest

from tests.fakes import history, replicated, with_unprunable
from tf_lottery.core.plan import Plan
from tf_lottery.verdict.judge import judge

DENSE = (1.0, 0.9, 0.88, 3000)
BETTER = (0.0021, 0.0028, 0.0014, 0.0019, 0.0023)
EITHER = (0.0010, -0.0010, 0.0012, -0.0003, 0.0004)
WORSE = (-0.0030, -0.0020, -0.0025, -0.0040, -0.0010)


def searches(gains, steps=3000, validation=0.91, **options):
    """A history whose tickets gain these over the dense network, by test data."""
    ticket = (0.036, validation)
    rows = [[DENSE, (*ticket, 0.88 + gain, steps)] for gain in gains]
    return replicated(*rows, **options)


def said(*args, **options):
    return judge(searches(*args, **options)).rounds[1].sentence()


def controlled(name, gains, over, steps=3000):
    """Tickets that gain `gains` over dense, and `over` over their control."""
    return {
        (replicate, name, 0, 1): (0.9, 0.88 + gain - more, steps)
        for replicate, (gain, more) in enumerate(zip(gains, over, strict=True))
    }


def test_a_resolved_gain_is_told_with_its_interval_and_count():
    assert said(BETTER) == (
        "Test figures (test_accuracy): beats dense by 0.21 points "
        "(95% interval 0.15 to 0.27), in 5 of 5 replicates."
    )


def test_one_replicate_beats_nothing():
    assert said(BETTER[:1]) == (
        "Test figures (test_accuracy): +0.21 points against dense "
        "(1 replicate: no interval)."
    )


def test_an_interval_that_holds_zero_is_not_resolved():
    assert said(EITHER) == (
        "Test figures (test_accuracy): the difference from dense is not resolved: "
        "+0.03 points (95% interval -0.09 to 0.14), better in 3 of 5 replicates."
    )


def test_a_loss_is_told_and_contradicts_the_choice():
    assert said(WORSE) == (
        "Test figures (test_accuracy): loses to dense by 0.25 points "
        "(95% interval 0.11 to 0.39), better in 0 of 5 replicates. "
        "The test figures contradict the choice: "
        "on test data the ticket does not match the dense network."
    )
    assert "contradict" not in said(WORSE, validation=0.8)


def test_a_tie_is_equal_and_equal_gains_have_no_interval():
    assert said((0.0,) * 5).endswith(": equal to dense in 5 of 5 replicates.")
    assert said((0.001,) * 2).endswith(
        ": +0.10 points against dense, the same in 2 of 2 replicates: no interval."
    )


def test_steps_are_told_where_they_are_resolved():
    assert "x earlier" not in said(BETTER, steps=3000)
    assert "x earlier" not in said(BETTER, steps=2000)  # alike: no interval
    assert said(BETTER[:1], steps=2000).endswith(
        ", minimum validation loss 1.5x earlier (1 replicate: no interval)."
    )
    rows = [[DENSE, (0.4, 0.91, 0.88 + g, 2000 + i)] for i, g in enumerate(BETTER)]
    sentence = judge(replicated(*rows)).rounds[1].sentence()
    assert "in 5 of 5 replicates, minimum validation loss 1.5x earlier." in sentence


def test_steps_are_not_told_of_tickets_that_were_not_rewound():
    rows = [[DENSE, (0.4, 0.91, 0.88 + g, 2000 + i)] for i, g in enumerate(BETTER)]
    plan = Plan(retrain="fine_tune")
    sentence = judge(replicated(*rows, plan=plan)).rounds[1].sentence()
    assert "beats dense by 0.21 points" in sentence
    assert "earlier" not in sentence


def test_what_is_not_zero_is_not_shown_as_zero():
    assert "-0.002 points" in said((0.001, -0.0010, -0.00006))


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("reinit", "its initial weights are not what makes it good."),
        ("shuffle", "the positions of its weights are not what makes it good."),
        ("my_control", None),
    ],
)
def test_what_a_lost_control_means_is_said_where_it_is_known(name, meaning):
    controls = controlled(name, BETTER, WORSE)
    sentence = said(BETTER, controls=controls)
    assert f"loses to {name} by 0.25 points (95% interval 0.11 to 0.39)" in sentence
    assert (f"worse than {name}: {meaning}" in sentence) == (meaning is not None)


def test_a_control_that_is_not_resolved_means_nothing():
    sentence = said(BETTER, controls=controlled("reinit", BETTER, EITHER))
    assert "; the difference from reinit is not resolved: +0.03 points" in sentence
    assert "worse" not in sentence


def test_controls_in_some_replicates_are_counted():
    controls = controlled("reinit", BETTER, BETTER)
    some = {key: value for key, value in controls.items() if key[0] < 3}
    sentence = said(BETTER, controls=some)
    assert "beats reinit by 0.21 points" in sentence
    assert sentence.endswith("in 3 of 3 replicates (5 in all).")
    one = {key: value for key, value in controls.items() if key[0] == 3}
    assert said(BETTER, controls=one).endswith("(1 of 5 replicates: no interval).")


def test_without_test_data_it_says_that_the_same_figures_chose():
    rows = [(1.0, 0.90, 100), (0.4, 0.92, 100)]
    assert judge(history(rows)).rounds[1].sentence() == (
        "Without test data, these figures also chose the ticket (val_accuracy): "
        "+2.00 points against dense (1 replicate: no interval)."
    )


def test_a_loss_has_no_points():
    rows = [(1.0, 0.25, 100), (0.4, 0.2, 100)]
    searches = history(rows, monitor="val_loss", maximize=False)
    assert "(val_loss): -0.05 against dense" in judge(searches).rounds[1].sentence()


def test_the_reason_has_the_claims_of_replicates_and_controls():
    several = judge(searches(BETTER))
    assert several.reason == (
        "A winning ticket: 3.6% of the weights, val_accuracy 0.9100 (dense 0.9000), "
        "minimum validation loss is at step 3,000 (dense 3,000); "
        "means of 5 replicates, of which 5 win by themselves. "
        f"{several.rounds[1].sentence()}"
    )
    one = searches(BETTER[:1], controls=controlled("reinit", BETTER[:1], BETTER[:1]))
    assert "+0.21 points against reinit" in judge(one).reason


def test_the_dense_network_has_nothing_to_claim():
    assert judge(searches(BETTER)).rounds[0].sentence() == ""


def test_the_density_of_the_whole_model_is_said_where_it_differs():
    rows = [(1.0, 0.9, 100), (0.4, 0.95, 50)]
    assert "A winning ticket: 40.0% of the weights, val_" in judge(history(rows)).reason
    large = judge(with_unprunable(history(rows), 9000))
    assert large.reason.startswith(
        "A winning ticket: 40.0% of the prunable weights (94.0% of all parameters), "
        "val_accuracy 0.9500 (dense 0.9000)"
    )
    assert large.record()["rounds"][1]["model_density"] == pytest.approx(0.94)


@pytest.mark.parametrize(
    "steps, start", [(3000, "A winning ticket"), (3100, "The ticket matches")]
)
def test_a_ticket_below_dense_on_test_says_so_beside_winning(steps, start):
    below = judge(searches((-0.003,), steps)).reason
    assert below.startswith(f"{start} by validation")
    assert "(dense 3,000); on test it is 0.30 points below dense." in below
    above = judge(searches((0.003,), steps)).reason
    assert above.startswith(start) and "validation:" not in above
    assert "on test" not in above


def test_a_difference_on_test_that_may_be_chance_is_called_not_resolved():
    either = judge(searches(tuple(-gain for gain in EITHER))).reason
    said = "of which 5 win by themselves; on test it is 0.03 points below dense"
    assert f"{said}, which is not resolved." in either
    assert "0.25 points below dense." in judge(searches(WORSE)).reason


def test_a_higher_loss_on_test_is_above_dense():
    found = searches((0.01,))
    higher = dataclasses.replace(found, maximize=False, plan=Plan(tolerance=0.1))
    assert "; on test it is 1.00 points above dense." in judge(higher).reason


def test_no_ticket_that_fails_by_validation_is_compared_on_test():
    assert "on test it is" not in judge(searches((-0.003,), validation=0.8)).reason
