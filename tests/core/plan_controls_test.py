"""How much a plan trains, against a list of it made by hand."""

import functools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import extents
from tf_lottery.core import controls
from tf_lottery.core.plan import Plan
from tf_lottery.core.plan_checks import checked_controls, checked_rounds


def ours(ticket, context):
    return ticket


def another():
    def ours(ticket, context):
        return ticket

    return ours


# Which controls.


@pytest.mark.parametrize(
    "wrong", [("reinitialise",), "reinitialise", ("reinit", 3), (None,)]
)
def test_an_unknown_control_is_an_error_that_names_those_known(wrong):
    with pytest.raises(ValueError, match="'reinit', 'reinit_same_sign', 'shuffle'"):
        Plan(controls=wrong)


@pytest.mark.parametrize(
    "wrong",
    [lambda ticket, context: ticket, functools.partial(ours), [ours, lambda *_: None]],
    ids=["lambda", "partial", "lambda in a list"],
)
def test_a_control_without_a_name_is_an_error_that_says_what_to_do(wrong):
    with pytest.raises(ValueError, match="named function instead of a lambda"):
        Plan(controls=wrong)


@pytest.mark.parametrize(
    "twice",
    [("reinit", "reinit"), ("reinit", controls.reinit), (ours, "shuffle", another())],
    ids=["names", "name and function", "functions"],
)
def test_two_controls_of_one_name_are_an_error_that_names_it(twice):
    name = twice[0] if isinstance(twice[0], str) else "ours"
    with pytest.raises(ValueError, match=f"Received twice: '{name}'"):
        Plan(controls=twice)


@pytest.mark.parametrize("single", ["reinit", ours])
def test_one_control_needs_no_list(single):
    assert Plan(controls=single).controls == (single,)
    assert checked_controls([single]) == (single,)


def test_a_function_of_our_own_is_known_by_its_name():
    plan = Plan(controls=(controls.reinit, ours))
    assert plan == Plan(controls=("reinit", ours))
    assert plan.to_json()["controls"][0] == "reinit"


def test_a_function_that_wraps_one_of_ours_is_another():
    @functools.wraps(controls.shuffle)
    def counted(ticket, context):
        return controls.shuffle(ticket, context)

    with pytest.raises(ValueError, match=r"name of its own.*'shuffle'"):
        Plan(controls=counted)


@pytest.mark.parametrize("retrain", ["lr_rewind", "fine_tune"])
@pytest.mark.parametrize("shuffle", ["shuffle", controls.shuffle])
def test_shuffle_needs_the_weights_that_only_a_rewind_keeps(retrain, shuffle):
    with pytest.raises(ValueError, match=r"only retrain=\"rewind\"") as error:
        Plan(controls=("reinit", shuffle), retrain=retrain)
    assert f"retrain='{retrain}'" in str(error.value)
    assert "Use the control 'random_mask'" in str(error.value)
    others = tuple(set(controls.NAMES) - {"shuffle"})
    assert Plan(controls=others, retrain=retrain).controls == others


# Of which rounds.


@pytest.mark.parametrize(
    "wrong", [0, 4, -1, (1, 4), [0], True, (True,), 1.0, 1.5, "1", (1, None), {1, 9}]
)
def test_a_round_that_is_not_pruned_is_an_error_that_says_which_are(wrong):
    with pytest.raises(ValueError, match="must be pruned rounds, 1 to 3"):
        Plan(rounds=3, controls="reinit", control_rounds=wrong)
    with pytest.raises(ValueError, match="must be pruned rounds, 1 to 3"):
        Plan(rounds=3, controls="reinit", control_rounds={"reinit": wrong})


@pytest.mark.parametrize(
    "wrong", [{}, {"shuffle": (1,)}, {"reinit": (1,), "shufle": (1,)}]
)
def test_rounds_for_other_controls_than_those_of_the_plan_are_an_error(wrong):
    with pytest.raises(ValueError, match="one entry per control of the plan") as error:
        Plan(rounds=3, controls=("reinit", "shuffle"), control_rounds=wrong)
    for part in (*map(repr, wrong), "controls=('reinit', 'shuffle')"):
        assert part in str(error.value)


@pytest.mark.parametrize(
    "rounds", [2, (1, 3), [1, 3], range(1, 4), np.arange(1, 4), iter((1, 2))]
)
def test_rounds_may_be_one_number_or_any_that_can_be_listed(rounds):
    plan = Plan(rounds=3, controls="reinit", control_rounds=rounds)
    assert {type(number) for number in plan.control_rounds} == {int}
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_checked_rounds_keep_the_order_of_the_controls():
    chosen = {"shuffle": 1, "ours": (2, 1)}
    assert list(checked_rounds(chosen, (ours, "shuffle"), 3)) == ["ours", "shuffle"]


# What that trains.


def test_by_default_every_pruned_round_has_every_control():
    plan = Plan(rounds=2, controls=("reinit", ours), control_replicates=2)
    assert plan.controlled(0) == []
    assert plan.controlled(1) == plan.controlled(2) == ["reinit", ours]
    assert plan.trainings() == [
        *((number, None, 0) for number in range(3)),
        *((1, "reinit", draw) for draw in range(2)),
        *((1, "ours", draw) for draw in range(2)),
        *((2, "reinit", draw) for draw in range(2)),
        *((2, "ours", draw) for draw in range(2)),
    ]


def test_chosen_rounds_have_all_controls():
    plan = Plan(rounds=3, controls=("reinit", "shuffle"), control_rounds=[3, 1])
    assert [plan.controlled(n) for n in range(4)] == [
        [],
        ["reinit", "shuffle"],
        [],
        ["reinit", "shuffle"],
    ]


def test_a_dict_gives_each_control_its_own_rounds():
    rounds = {"shuffle": (1,), "reinit": (1, 2), "ours": ()}
    plan = Plan(rounds=2, controls=("reinit", "shuffle", ours), control_rounds=rounds)
    assert [plan.controlled(n) for n in range(3)] == [
        [],
        ["reinit", "shuffle"],
        ["reinit"],
    ]


def test_without_controls_only_tickets_are_trained():
    assert Plan(rounds=1).trainings() == [(0, None, 0), (1, None, 0)]
    plan = Plan(rounds=1, control_rounds=(), control_replicates=3)
    assert plan.trainings() == [(0, None, 0), (1, None, 0)]


@given(extents())
def test_how_much_is_trained_is_not_in_the_fingerprint(plan):
    assert plan.fingerprint == Plan().fingerprint
    assert plan.differences(Plan()) == []


@given(extents())
def test_an_extent_survives_json(plan):
    again = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan
    assert again.trainings() == plan.trainings()


@given(extents())
def test_tickets_come_first_and_nothing_is_trained_twice(plan):
    trainings = plan.trainings()
    tickets = [(number, None, 0) for number in range(plan.rounds + 1)]
    assert trainings[: plan.rounds + 1] == tickets
    assert len(set(trainings)) == len(trainings)
    assert all(control for _, control, _ in trainings[plan.rounds + 1 :])


# Replicates.


@given(st.integers(0, 2**32), st.integers(1, 50))
def test_replicates_have_seeds_of_their_own_and_replicate_0_that_of_the_plan(seed, n):
    plan = Plan(seed=seed, replicates=51)
    seeds = [plan.of_replicate(number).seed for number in range(51)]
    assert seeds[0] == seed
    assert len(set(seeds)) == 51
    assert plan.of_replicate(n) == plan.of_replicate(n)
    assert plan.of_replicate(n).seed == Plan(seed=seed).of_replicate(n).seed
    assert plan.of_replicate(n).differences(plan) == ["seed"]
    assert plan.of_replicate(n).trainings() == plan.trainings()
