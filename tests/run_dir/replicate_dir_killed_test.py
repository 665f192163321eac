"""Killed in any training or write, a search ends as if it had not been."""

import dataclasses

import pytest

from tests.fakes import FakeTrainer
from tests.run_dir.contents import content, contents, which
from tests.search.searching import (
    PLAN,
    SMALL,
    TRAININGS,
    Dying,
    dying,
    search,
)
from tf_lottery.core import archive, controls
from tf_lottery.core.plan import Plan
from tf_lottery.run_dir.run_dir import RunDir

pytestmark = pytest.mark.filterwarnings("ignore:The control 'shuffle' of round")


@pytest.fixture(scope="module")
def with_control(tmp_path_factory):
    """The plan of a small search with a control, and what its directory says."""
    plan = Plan(rounds=1, controls="reinit", evaluate_every=50)
    path = tmp_path_factory.mktemp("control")
    search(path, FakeTrainer(plan))
    return plan, contents(path)


@pytest.mark.parametrize("number", range(len(TRAININGS)))
def test_killed_in_any_training_it_ends_as_if_it_had_not_been(tmp_path, whole, number):
    path = tmp_path / "run"
    before = search(path, Dying(PLAN, number))
    assert [which(round) for round in before] == TRAININGS[:number]
    assert RunDir(path).left(PLAN) == len(TRAININGS) - number
    again = FakeTrainer(PLAN)
    found = search(path, again)
    assert again.controls == [which[:3] for which in TRAININGS[number:]]
    assert [which(round) for round in found] == TRAININGS
    assert contents(path) == contents(whole[1])


# Two writes open the directory; then each of three trainings has four.
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(3, 15))
def test_killed_at_any_write_of_a_control_it_ends_with_the_same_files(
    tmp_path, with_control, monkeypatch, number, when
):
    plan, expected = with_control
    with monkeypatch.context() as patched:
        patched.setattr("tf_lottery.core.archive.atomic", dying(number, when))
        killed = FakeTrainer(plan)
        assert len(search(tmp_path / "run", killed)) < 3 or number > 12
    search(tmp_path / "run", FakeTrainer(plan))
    assert contents(tmp_path / "run") == expected
    assert RunDir(tmp_path / "run").left(plan) == 0
    assert not list((tmp_path / "run").rglob("checkpoint*"))
    assert not list((tmp_path / "run").rglob(f"{archive.TEMPORARY}*"))


def test_a_finished_search_trains_nothing(tmp_path):
    first = search(tmp_path, FakeTrainer(SMALL))
    again = FakeTrainer(SMALL)
    found = search(tmp_path, again)
    assert again.trained == []
    one, other = ([content(r, "weights") for r in each] for each in (found, first))
    assert one == other


def test_a_finished_control_is_made_again_only_to_compare_its_code(tmp_path):
    made = []

    def counted(ticket, context):
        made.append(ticket.round)
        return controls.reinit(ticket, context)

    plan = dataclasses.replace(SMALL, controls=(counted,), control_rounds=None)
    first = list(search(tmp_path, FakeTrainer(plan)))
    trainer = FakeTrainer(plan)
    again = list(search(tmp_path, trainer))
    assert made == [1, 2] * plan.replicates * 2
    assert trainer.trained == []
    assert [r.ticket.masks for r in again] == [r.ticket.masks for r in first]
