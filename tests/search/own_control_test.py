"""A control of one's own: told by its code from another of that name, and checked."""

import dataclasses

import pytest

from tests.fakes import FakeTrainer, facts
from tf_lottery.core.errors import PlanMismatchError
from tf_lottery.core.plan import Plan
from tf_lottery.search.controlled import run_controls
from tf_lottery.search.identity import Identity
from tf_lottery.search.progress import Progress
from tf_lottery.search.recorded import Recorded
from tf_lottery.search.rounds import run_rounds
from tf_lottery.search.store import Store

FACTOR = 2.0


def scaled(ticket, context):
    """Starts from a multiple of each weight."""
    state = {name: ticket.state[name] for name in ticket.state}
    state |= {path: state[path] * FACTOR for path in ticket.masks}
    return dataclasses.replace(ticket, state=state)


def searched(path, *chosen):
    """The controls of a search that a run directory keeps, and what was trained."""
    plan, store = Plan(rounds=2, controls=chosen), Store(path)
    trainer = FakeTrainer(plan)
    with store.open(facts(plan), overwrite=False):
        identity = Identity(facts(plan))
        progress = Progress(0, plan, 100)
        recorded = Recorded(trainer, store.replicate(), progress, identity)
        rounds = list(run_rounds(recorded, plan))
        return list(run_controls(recorded, rounds, plan)), trainer.controls


def test_the_same_code_is_not_trained_again(tmp_path):
    first, _ = searched(tmp_path, scaled)
    again, trained = searched(tmp_path, scaled)
    assert trained == []
    assert [c.ticket.masks for c in again] == [c.ticket.masks for c in first]


def test_changed_code_is_not_passed_off_as_what_was_trained(tmp_path, monkeypatch):
    searched(tmp_path, scaled)
    monkeypatch.setattr(f"{__name__}.FACTOR", 3.0)
    with pytest.raises(PlanMismatchError, match=r"code has changed.*another name"):
        searched(tmp_path, scaled)


def test_a_control_that_is_ours_is_not_made_again(tmp_path, monkeypatch):
    searched(tmp_path, "reinit")
    monkeypatch.setattr(FakeTrainer, "draw", None, raising=True)
    monkeypatch.setattr(Recorded, "dense", lambda self: self._store.dense(Plan()))
    _, trained = searched(tmp_path, "reinit")
    assert trained == []


@pytest.mark.parametrize(
    "wrong", [lambda ticket: ticket, lambda: None, lambda ticket, context, more: None]
)
def test_what_cannot_be_called_with_a_ticket_and_its_context_is_refused(wrong):
    with pytest.raises(ValueError, match=r"must be called as \(ticket, context\)"):
        Plan(controls=[wrong])
    with pytest.raises(ValueError, match=r"must be called as \(ticket, outcome\)"):
        Plan(criterion=wrong)


def test_rounds_of_no_control_are_refused():
    with pytest.raises(ValueError, match="only has a meaning with `controls`"):
        Plan(rounds=3, control_rounds=(1,))
    assert Plan(rounds=3, control_rounds=()).trainings() == Plan(rounds=3).trainings()


def test_a_control_that_has_no_rounds_is_named():
    with pytest.raises(ValueError, match="none for 'shuffle'; controls="):
        Plan(controls=("reinit", "shuffle"), control_rounds={"reinit": (1,)})
    with pytest.raises(ValueError, match="some for 'random_mask', no control"):
        Plan(controls=("reinit",), control_rounds={"reinit": 1, "random_mask": 1})


def test_a_mistyped_control_is_told_by_the_name_of_the_argument():
    with pytest.raises(ValueError, match="`controls` must be one of 'reinit'"):
        Plan(controls=("renit",))
