"""Searches side by side: one table, one figure, differences in pairs."""

import csv
import dataclasses
import json

import pytest

from tests.fakes import replicated
from tf_lottery.core.history import History
from tf_lottery.core.plan import Plan
from tf_lottery.report.comparison import compare
from tf_lottery.verdict.difference import STEP
from tf_lottery.verdict.judge import judge

PLAN = Plan(rounds=2)


def seeded(history: History) -> History:
    """The history with the plans of its replicates in its tickets."""

    def planned(round):
        plan = history.plan.of_replicate(round.replicate)
        ticket = dataclasses.replace(round.ticket, plan=plan)
        return dataclasses.replace(round, ticket=ticket)

    return dataclasses.replace(
        history,
        replicates=tuple(tuple(map(planned, rounds)) for rounds in history.replicates),
        controls=tuple(map(planned, history.controls)),
    )


def searched(*replicates, **of):
    return seeded(replicated(*replicates, plan=PLAN, **of))


ITERATIVE = searched(
    [(1.0, 0.9, 0.90, 50), (0.5, 0.9, 0.92, 40), (0.25, 0.9, 0.94, 30)],
    [(1.0, 0.9, 0.90, 50), (0.5, 0.9, 0.93, 40), (0.25, 0.9, 0.95, 30)],
)
HALF = searched(
    [(1.0, 0.9, 0.90, 50), (0.5, 0.9, 0.91, 45)],
    [(1.0, 0.9, 0.90, 50), (0.5, 0.9, 0.91, 45)],
)
QUARTER = searched(
    [(1.0, 0.9, 0.90, 50), (0.25, 0.9, 0.90, 60)],
    [(1.0, 0.9, 0.90, 50), (0.25, 0.9, 0.93, 60)],
)


def gains(comparison, **of):
    return {
        line.points[0].density: difference.gain.values
        for line, difference in comparison.differences(**of)
        if line.points[0].density < 1
    }


def test_searches_are_compared_where_they_keep_as_much_in_pairs():
    compared = compare(ITERATIVE, one_shot=[HALF, QUARTER])
    found = gains(compared)
    assert found[0.5] == pytest.approx((0.01, 0.02))
    assert found[0.25] == pytest.approx((0.04, 0.02))


def test_an_earlier_step_is_a_gain():
    found = gains(compare(ITERATIVE, one_shot=[HALF, QUARTER]), metric=STEP)
    assert found == {0.5: (5, 5), 0.25: (30, 30)}


def test_other_densities_and_other_seeds_have_no_difference():
    other = searched([(1.0, 0.9, 0.9, 50), (0.3, 0.9, 0.9, 50)])
    assert gains(compare(ITERATIVE, other=other)) == {}
    elsewhere = dataclasses.replace(PLAN, seed=7)
    seed = seeded(dataclasses.replace(HALF, plan=elsewhere))
    assert gains(compare(ITERATIVE, other=seed)) == {}


def test_the_controls_of_a_search_are_lines_of_their_own():
    rewound = searched(
        [(1.0, 0.9, 0.90, 50), (0.5, 0.9, 0.99, 45)],
        controls={(0, "rewound", 0, 1): (0.9, 0.90, 50)},
    )
    compared = compare(ITERATIVE, continued=rewound)
    names = [line.name for line, _ in compared.differences()]
    assert "continued: rewound" in names
    assert "continued: rewound" in compared.table()


def test_the_table_says_what_the_first_search_gains():
    text = compare(ITERATIVE, one_shot=[HALF, QUARTER]).table()
    assert "one_shot" in text
    assert "+1.50" in text  # at half of the weights
    assert "+3.00" in text


def test_the_csv_and_the_figure_hold_all_searches(tmp_path):
    pytest.importorskip("matplotlib")
    compared = compare(ITERATIVE, name="steps", one_shot=HALF)
    compared.plot(tmp_path / "c.png")
    compared.to_csv(tmp_path / "c.csv")
    assert (tmp_path / "c.png").stat().st_size > 10_000
    with open(tmp_path / "c.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["search"] for row in rows} == {"steps", "one_shot"}
    assert {row["mean"] for row in rows} <= {str(r["mean"]) for r in compared.rows()}


def test_what_cannot_be_compared_is_an_error():
    with pytest.raises(TypeError, match=r"`ticket\.history`.* other=NoneType"):
        compare(ITERATIVE, other=[None])
    with pytest.raises(TypeError, match=r"load_history.* iterative=Ticket"):
        compare(ITERATIVE[0].ticket)
    loss = dataclasses.replace(HALF, monitor="val_loss")
    with pytest.raises(ValueError, match="one score"):
        compare(ITERATIVE, other=loss)


def test_it_is_short_in_a_session():
    assert repr(compare(ITERATIVE, one_shot=HALF)) == (
        "<Comparison of iterative, one_shot>"
    )
    assert repr(judge(ITERATIVE)).startswith("<Verdict: A winning ticket: 25.0%")


def test_histories_of_one_name_differ_in_their_rates_alone():
    other = dataclasses.replace(HALF, plan=Plan(rounds=2, retrain="fine_tune"))
    with pytest.raises(ValueError, match=r"'x', which differ in retrain"):
        compare(ITERATIVE, x=[HALF, other])
    rates = dataclasses.replace(HALF, plan=Plan(rounds=1, pruning_rate=0.5))
    assert compare(ITERATIVE, x=[HALF, rates]).table()
    with pytest.raises(ValueError, match="Received: none for 'x'"):
        compare(ITERATIVE, x=[])


def test_two_searches_of_one_name_are_refused():
    with pytest.raises(ValueError, match="Received twice: 'iterative'"):
        compare(ITERATIVE, iterative=HALF)


def test_a_loss_is_better_when_it_is_lower():
    def with_loss(history, loss):
        rounds = tuple(
            tuple(
                dataclasses.replace(
                    round,
                    outcome=dataclasses.replace(
                        round.outcome,
                        metrics={**round.outcome.metrics, "test_loss": loss},
                    ),
                )
                for round in replicate
            )
            for replicate in history.replicates
        )
        return dataclasses.replace(history, replicates=rounds)

    low, high = with_loss(ITERATIVE, 0.1), with_loss(HALF, 0.3)
    found = gains(compare(low, one_shot=high), metric="test_loss")
    assert found[0.5] == pytest.approx((0.2, 0.2))


def test_a_figure_that_is_no_number_is_left_out():
    lost = dataclasses.replace(HALF, replicates=HALF.replicates)
    lost.replicates[0][1].outcome.metrics["test_accuracy"] = float("nan")
    try:
        assert gains(compare(ITERATIVE, one_shot=lost))[0.5] == pytest.approx((0.02,))
    finally:
        lost.replicates[0][1].outcome.metrics["test_accuracy"] = 0.91


def test_the_json_has_the_points_and_the_differences(tmp_path):
    compare(ITERATIVE, one_shot=HALF).to_json(tmp_path / "c.json")
    found = json.loads((tmp_path / "c.json").read_text())
    assert {row["search"] for row in found["points"]} == {"iterative", "one_shot"}
    assert found["differences"][-1]["metric"] == STEP
