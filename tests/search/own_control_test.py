"""A control of one's own: told by its code from another of that name, and checked."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from tests.fakes import FakeTrainer, manifest
from tf_lottery.core.errors import PlanMismatchError
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import Ticket
from tf_lottery.run_dir.keys import Keys
from tf_lottery.run_dir.names import Place
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.search.controls import run_controls
from tf_lottery.search.progress import Progress
from tf_lottery.search.recorded import Recorded
from tf_lottery.search.rounds import run_rounds
from tf_lottery.training.checkpoint import Run

FACTOR = 2.0


def scaled(ticket, context):
    """Starts from a multiple of each weight."""
    state = {name: ticket.state[name] for name in ticket.state}
    state |= {path: state[path] * FACTOR for path in ticket.masks}
    return dataclasses.replace(ticket, state=state)


def searched(path, *chosen):
    """The controls of a search that a run directory keeps, and what was trained."""
    plan, run_dir = Plan(rounds=2, controls=chosen), RunDir(path)
    trainer = FakeTrainer(plan)
    with run_dir.open(manifest(plan), overwrite=False):
        keys = Keys(manifest(plan))
        progress = Progress(0, plan, 100)
        recorded = Recorded(trainer, run_dir.replicate_dir(), progress, keys)
        rounds = list(run_rounds(recorded, plan))
        return list(run_controls(recorded, rounds)), trainer.controls


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
    monkeypatch.setattr(Recorded, "dense", lambda self: self.directory.dense(Plan()))
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
    with pytest.raises(ValueError, match=r"Missing: 'shuffle'\. Received: controls="):
        Plan(controls=("reinit", "shuffle"), control_rounds={"reinit": (1,)})
    with pytest.raises(ValueError, match="Not a control of the plan: 'random_mask'"):
        Plan(controls=("reinit",), control_rounds={"reinit": 1, "random_mask": 1})


def test_a_mistyped_control_is_told_by_the_name_of_the_argument():
    with pytest.raises(ValueError, match="`controls` must be one of 'reinit'"):
        Plan(controls=("renit",))


def shifted(ticket, context):
    """Changes a bias alone."""
    state = {name: ticket.state[name] for name in ticket.state}
    state["dense/bias"] = state["dense/bias"] + np.float32(FACTOR)
    return dataclasses.replace(ticket, state=state)


def test_changed_code_is_found_in_biases_too(tmp_path, monkeypatch):
    searched(tmp_path, shifted)
    assert searched(tmp_path, shifted)[1] == []
    monkeypatch.setattr(f"{__name__}.FACTOR", 3.0)
    with pytest.raises(PlanMismatchError, match="code has changed"):
        searched(tmp_path, shifted)


def test_what_a_control_leaves_out_of_a_state_is_that_of_the_ticket(tmp_path):
    def bare(ticket, context):
        weights = {path: FACTOR * ticket.weights[path] for path in ticket.weights}
        return Ticket(ticket.masks, weights)

    controls, _ = searched(tmp_path, bare)
    for control in controls:
        assert control.ticket.state["optimizer:iterations"] == 0
        assert control.ticket.state.keys() == FakeTrainer(Plan()).dense().state.keys()


@pytest.mark.parametrize("step", [100, -1, 2.5, "1"])
def test_a_control_must_start_before_the_last_step(tmp_path, step):
    def late(ticket, context):
        return dataclasses.replace(scaled(ticket, context), step=step)

    with pytest.raises(ValueError, match="starts at a step before the last"):
        searched(tmp_path, late)


def test_a_control_that_fails_is_named(tmp_path):
    def failing(ticket, context):
        raise KeyError("a path")

    with pytest.raises(
        RuntimeError, match=r"'failing' failed .* of round 1 .*KeyError"
    ):
        searched(tmp_path, failing)


@pytest.mark.parametrize("name", ["dense", "ticket", "reinit"])
def test_a_control_is_not_called_as_what_it_is_compared_with(name):
    def control(ticket, context):
        return ticket

    control.__qualname__ = name
    with pytest.raises(ValueError, match="must have a name of its own"):
        Plan(controls=[control])


def test_a_half_trained_control_is_not_continued_by_changed_code(tmp_path):
    """Also where nothing can be shared, so that no key is written."""
    plan, run_dir = Plan(rounds=1), RunDir(tmp_path)
    with run_dir.open(manifest(plan), overwrite=False):
        found = []
        for factor in (2.0, 3.0):
            trainer = FakeTrainer(plan)
            trainer.unknown = "callbacks"
            progress, keys = Progress(0, plan, 100), Keys(manifest(plan))
            recorded = Recorded(trainer, run_dir.replicate_dir(), progress, keys)
            rounds = list(run_rounds(recorded, plan))
            state = {n: a * factor for n, a in rounds[1].ticket.state.items()}
            control = dataclasses.replace(rounds[1].ticket, state=state)
            key = keys.key(control, plan)
            checkpoint = recorded._checkpoint(control, Place(1, "mine"), key)
            found.append(checkpoint.step)
            checkpoint.save(Run(50), SimpleNamespace(view=lambda state=state: state))
    assert found == [0, 0]
