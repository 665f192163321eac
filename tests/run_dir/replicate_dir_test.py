"""A run directory of another search, of an older format, or damaged."""

import dataclasses

import pytest

from tests.fakes import manifest
from tests.run_dir.contents import arrays_of, contents
from tests.run_dir.forging import edited
from tests.search.searching import (
    SMALL,
    trained,
)
from tf_lottery.core import controls
from tf_lottery.core.errors import PlanMismatchError, TicketError
from tf_lottery.core.plan import Plan
from tf_lottery.run_dir.run_dir import RunDir

pytestmark = pytest.mark.filterwarnings("ignore:The control 'shuffle' of round")


def halved(ticket, context):
    state = {n: a / 2 if n in ticket.masks else a for n, a in ticket.state.items()}
    return dataclasses.replace(ticket, state=state)


def another():
    def halved(ticket, context):
        return controls.reinit(ticket, context)

    return halved


def test_another_function_of_a_controls_name_is_not_passed_off_as_it(tmp_path):
    trained(tmp_path, dataclasses.replace(SMALL, controls=(halved,)))
    before = arrays_of(tmp_path)
    with pytest.raises(PlanMismatchError, match="code has changed"):
        trained(tmp_path, dataclasses.replace(SMALL, controls=(another(), "shuffle")))
    assert arrays_of(tmp_path) == before


@pytest.mark.parametrize(
    ("there", "here"), [(halved, halved), ("reinit", controls.reinit)]
)
def test_the_same_function_goes_on(tmp_path, there, here):
    trained(tmp_path, dataclasses.replace(SMALL, controls=(there,)))
    assert trained(tmp_path, dataclasses.replace(SMALL, controls=(here,))) == []
    assert RunDir(tmp_path).history().plan.controls == (there,)


def test_overwriting_removes_all_replicates_and_controls(tmp_path):
    trained(tmp_path, SMALL)
    with RunDir(tmp_path).open(manifest(Plan(seed=3)), overwrite=True):
        pass
    assert arrays_of(tmp_path) == {}


def test_a_directory_from_before_replicates_and_controls_is_read_and_goes_on(tmp_path):
    plan = Plan(rounds=2, evaluate_every=50)
    trained(tmp_path, plan)
    expected = contents(tmp_path)

    def older(found):
        for name in ("controls", "control_rounds", "control_replicates", "replicates"):
            del found["plan"][name]

    edited(tmp_path / "plan.json", older)
    assert contents(tmp_path) == expected
    assert RunDir(tmp_path).history().plan == plan
    assert trained(tmp_path, plan) == []
    assert trained(tmp_path, SMALL)[:2] == [(0, 1, "reinit"), (0, 2, "reinit")]


# Damage.


@pytest.mark.parametrize(
    "name", ["ticket.safetensors", "outcome.safetensors", "metrics.json"]
)
@pytest.mark.parametrize("damage", ["missing", "empty", "cut"])
def test_a_damaged_control_is_an_error_that_names_it(tmp_path, name, damage):
    trained(tmp_path, SMALL)
    path = tmp_path / "replicate_1/controls/reinit/round_02/draw_0" / name
    content = path.read_bytes()
    path.unlink()
    if (name, damage) == ("metrics.json", "missing"):
        assert trained(tmp_path, SMALL) == [(1, 2, "reinit")]  # it is not finished
        return
    if damage != "missing":
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    with pytest.raises(
        TicketError, match="replicate_1/controls/reinit/round_02/draw_0"
    ):
        contents(tmp_path)


def test_a_control_with_the_outcome_of_another_is_an_error_that_names_it(tmp_path):
    trained(tmp_path, dataclasses.replace(SMALL, controls=("shuffle",)))
    of = tmp_path / "replicate_0/controls/shuffle"
    (of / "round_02/draw_0/outcome.safetensors").replace(
        of / "round_01/draw_0/outcome.safetensors"
    )
    with pytest.raises(TicketError, match=r"round_01/draw_0.* other masks"):
        contents(tmp_path)
    with pytest.raises(TicketError, match=r"round_01/draw_0.* other masks"):
        trained(tmp_path, dataclasses.replace(SMALL, controls=("shuffle",)))
