"""More or less of a search later: what was trained stays, what is new comes."""

import dataclasses
import shutil

import pytest

from tests.fakes import FakeTrainer
from tests.run_dir.contents import arrays_of, contents, which
from tests.search.searching import (
    PLAN,
    SMALL,
    search,
    trained,
)
from tf_lottery.report.table import unfinished
from tf_lottery.run_dir.run_dir import RunDir

pytestmark = pytest.mark.filterwarnings("ignore:The control 'shuffle' of round")


# More, later. What was trained stays, and what comes is what would have come at once.

MORE = {
    "replicates": (
        {"replicates": 3},
        [(2, 0, None), (2, 1, None), (2, 2, None), (2, 1, "reinit"), (2, 2, "reinit")],
    ),
    "rounds": (
        {"rounds": 3},
        [(0, 3, None), (0, 3, "reinit"), (1, 3, None), (1, 3, "reinit")],
    ),
    "controls": (
        {"controls": ("random_mask", "reinit")},
        [(r, n, "random_mask") for r in (0, 1) for n in (1, 2)],
    ),
    "control_replicates": (
        {"control_replicates": 2},
        [(r, n, "reinit") for r in (0, 1) for n in (1, 2)],
    ),
}


@pytest.mark.parametrize("what", MORE)
def test_more_of_it_later_trains_only_what_is_new(tmp_path, what):
    changes, expected = MORE[what]
    more = dataclasses.replace(SMALL, **changes)
    trained(tmp_path / "later", SMALL)
    before = arrays_of(tmp_path / "later")
    assert trained(tmp_path / "later", more) == expected
    after = arrays_of(tmp_path / "later")
    assert {name: after[name] for name in before} == before
    trained(tmp_path / "at once", more)
    assert contents(tmp_path / "later") == contents(tmp_path / "at once")


def test_controls_later_are_those_of_a_search_that_had_them_at_once(tmp_path):
    alone = dataclasses.replace(SMALL, controls=())
    trained(tmp_path / "later", alone)
    assert trained(tmp_path / "later", SMALL) == [
        (r, n, "reinit") for r in (0, 1) for n in (1, 2)
    ]
    trained(tmp_path / "at once", SMALL)
    assert contents(tmp_path / "later") == contents(tmp_path / "at once")


def test_control_rounds_may_be_added(tmp_path):
    one = dataclasses.replace(SMALL, control_rounds=(1,))
    trained(tmp_path, one)
    other = dataclasses.replace(SMALL, control_rounds={"reinit": (2,)})
    assert trained(tmp_path, other) == [(0, 2, "reinit"), (1, 2, "reinit")]
    assert trained(tmp_path, SMALL) == []


# Fewer, later. Nothing is lost.

FEWER = [
    {"replicates": 1},
    {"rounds": 1, "control_rounds": None},
    {"controls": (), "control_rounds": None},
    {"controls": ("shuffle",), "control_rounds": None},
    {"control_rounds": (1,)},
    {"control_replicates": 1},
    {
        "rounds": 1,
        "replicates": 1,
        "controls": (),
        "control_rounds": None,
        "control_replicates": 1,
    },
]


@pytest.mark.parametrize("changes", FEWER, ids=str)
def test_fewer_of_it_later_trains_and_loses_nothing(whole, tmp_path, changes):
    shutil.copytree(whole[1], tmp_path, dirs_exist_ok=True)
    before = arrays_of(tmp_path)
    fewer = dataclasses.replace(PLAN, **changes)
    missing = set(fewer.trainings()) - set(PLAN.trainings())  # of shuffle, round 1
    again = FakeTrainer(fewer)
    found = search(tmp_path, again)
    assert len(again.trained) == len(missing) * fewer.replicates
    expected = [(r, *t) for r in range(fewer.replicates) for t in fewer.trainings()]
    assert [which(round) for round in found] == expected
    after = arrays_of(tmp_path)
    assert {name: after[name] for name in before} == before
    shown = RunDir(tmp_path).history()
    assert len(shown.trainings()) == len(expected)
    again = FakeTrainer(PLAN)
    search(tmp_path, again)
    assert again.trained == []
    assert contents(whole[1]).items() <= contents(tmp_path).items()


def test_a_search_that_was_asked_for_less_has_nothing_left(tmp_path):
    thrice = dataclasses.replace(
        SMALL, control_replicates=3, control_rounds={"reinit": (2,)}
    )
    list(search(tmp_path, FakeTrainer(thrice)))
    once = dataclasses.replace(
        SMALL,
        controls=("reinit", "shuffle"),
        control_rounds={"reinit": (2,), "shuffle": (1,)},
    )
    list(search(tmp_path, FakeTrainer(once)))
    history = RunDir(tmp_path).history()
    assert unfinished(history) == ""
    assert RunDir(tmp_path).left(history.plan) == 0
    draws = [r.draw for r in history.controls if r.control == "reinit"]
    assert draws == [0] * SMALL.replicates
