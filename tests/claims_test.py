"""The table of claims says "holds" where it does, and "does not hold" where not."""

import dataclasses
import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import manifest, replicated, written
from tests.run_dir.forging import edited_plan
from tf_lottery.core.plan import Plan
from tf_lottery.verdict.spread import Spread

TOOLS = Path(__file__).parents[1] / "tools"
DENSITIES = [0.8**n for n in range(17)]
NOISE = (-2e-4, 0.0, 1e-4, 2e-4, -1e-4)


@pytest.fixture(scope="module")
def claims():
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(TOOLS)
        return importlib.import_module("_claims")


@pytest.fixture(scope="module")
def check():
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(TOOLS)
        return importlib.import_module("check_claims").check


def search(accuracy, steps, reinit, reinit_steps, noise=NOISE):
    """A history of five replicates from figures by round."""
    replicates = [
        [
            (
                density,
                accuracy(n) + each,
                accuracy(n) + each * (n + 1) / 5,
                steps(n) + each * 2e4 * (n + 1),
            )
            for n, density in enumerate(DENSITIES)
        ]
        for each in noise
    ]
    controls = {
        (replicate, name, 0, n): (0.9, reinit(n) + each, reinit_steps(n))
        for replicate, each in enumerate(noise)
        for name, rounds in {"reinit": (3, 5, 7, 11, 15), "shuffle": (7, 11)}.items()
        for n in rounds
    }
    return replicated(*replicates, controls=controls, plan=Plan(rounds=16))


def one_shots(accuracy, steps):
    def rows(n, each):
        ticket = DENSITIES[n], 0.98, accuracy(n) + each, steps(n) + 1e5 * each
        return [(1.0, 0.98, 0.98 + each / 5, 5000), ticket]

    return [
        replicated(*(rows(n, each) for each in NOISE), plan=Plan(rounds=1))
        for n in (3, 5, 7, 11, 15)
    ]


def verdicts(check, history, others):
    return {row["claim"]: row["verdict"] for row in check(history, others)}


def paper():
    """A search as the paper's figures have it."""

    def accuracy(n):
        if n == 0:
            return 0.98
        return {9: 0.987, 15: 0.98, 16: 0.975}.get(n, 0.985)

    def steps(n):
        return 5000 - 270 * n if n <= 7 else 3110 + 100 * (n - 7)

    return (
        search(
            accuracy,
            steps,
            lambda n: 0.98 if n < 7 else 0.975,
            lambda n: 7800,
        ),
        one_shots(lambda n: 0.983 if n < 15 else 0.97, lambda n: 4000),
    )


def test_all_claims_hold_of_a_search_as_in_the_paper(claims, check):
    found = verdicts(check, *paper())
    assert set(found.values()) == {claims.HOLDS}
    assert len(found) == len(claims.CLAIMS)


def test_no_claim_but_equality_holds_of_a_search_in_which_nothing_happens(
    claims, check
):
    history = search(
        lambda n: 0.98 - 0.001 * n, lambda n: 5000 + n, lambda n: 0.99, lambda n: 4000
    )
    found = verdicts(check, history, one_shots(lambda n: 0.97, lambda n: 6000))
    assert claims.HOLDS not in found.values()


def test_what_chance_could_do_is_not_resolved(claims, check):
    wide = tuple(30 * each for each in NOISE)
    history = search(
        lambda n: 0.98, lambda n: 5000, lambda n: 0.98, lambda n: 5000, noise=wide
    )
    found = verdicts(check, history, [])
    assert found["at 21.1 % the ticket is more accurate than its reinitialisation"] in (
        claims.OPEN
    )
    assert claims.HOLDS not in found.values()
    assert found["fastest at 21.1 %"] == claims.OPEN


def test_what_the_searches_lack_is_not_run(claims, check):
    history, _ = paper()
    found = verdicts(check, history, [])
    one_shot = {claim for claim in found if "one-shot" in claim}
    assert {found[claim] for claim in one_shot} == {claims.NOT_RUN}
    short = dataclasses.replace(
        history,
        replicates=tuple(rounds[:6] for rounds in history.replicates),
        controls=(),
    )
    found = verdicts(check, short, [])
    assert set(found.values()) <= {claims.NOT_RUN, claims.OPEN, claims.FAILS}
    assert found["at 21.1 % the minimum validation loss comes earlier than dense"] == (
        claims.NOT_RUN
    )


def test_pure_chance_seldom_makes_a_claim_hold_or_fail(claims, check):
    draw = np.random.default_rng(0)
    found = []
    for _ in range(40):
        history = replicated(
            *(
                [
                    (d, 0.98, 0.98 + draw.normal(0, 1e-3), 4000 + draw.normal(0, 300))
                    for d in DENSITIES
                ]
                for _ in range(5)
            ),
            plan=Plan(rounds=16),
        )
        found.append(verdicts(check, history, []))
    for claim in ("fastest at 21.1 %", "most accurate at 13.5 %"):
        assert [each[claim] for each in found].count(claims.OPEN) >= 36
    small = "winning tickets at less than 10 to 20 % of the size"
    assert [each[small] for each in found].count(claims.HOLDS) <= 4


@pytest.mark.parametrize(
    ("values", "bound", "above", "below"),
    [
        ((1.0, 1.1, 0.9), 0.0, "holds", "does not hold"),
        ((-1.0, -1.1, -0.9), 0.0, "does not hold", "holds"),
        ((1.0, -1.0, 0.1), 0.0, "not resolved", "not resolved"),
        ((1.0, 1.1, 0.9), 1.0, "not resolved", "not resolved"),
        ((0.5,), 0.0, "not resolved", "not resolved"),
        ((0.0, 0.0), 0.0, "not resolved", "not resolved"),
    ],
)
def test_a_side_is_judged_by_the_interval(claims, values, bound, above, below):
    assert claims.above(Spread(values), bound) == above
    assert claims.below(Spread(values), bound) == below


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((0.01, -0.01, 0.0), "holds"),
        ((0.5, 0.51, 0.49), "does not hold"),
        ((0.5, -0.5, 0.1), "not resolved"),
        ((0.0,), "not resolved"),
    ],
)
def test_equality_needs_the_whole_interval_within_the_margin(claims, values, verdict):
    assert claims.near(Spread(values), 0.2) == verdict


def test_the_tool_writes_the_table_and_refuses_a_search_that_is_not_finished(tmp_path):
    plan = Plan(rounds=2)
    written(tmp_path / "run", plan)
    edited_plan(tmp_path / "run", rounds=3)
    done = subprocess.run(
        [sys.executable, TOOLS / "check_claims.py", tmp_path / "run"],
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "1 trainings left" in done.stderr
    assert manifest(plan)["plan"]["rounds"] == 2
