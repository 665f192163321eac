"""What the next ticket is made of: fewer weights, and where they start."""

import dataclasses
from collections import ChainMap

import numpy as np
import pytest

from tests.fakes import FakeTrainer, outcome
from tf_lottery.core.errors import InvariantError
from tf_lottery.core.masks import Masks
from tf_lottery.core.next_ticket import check_masks, prune_ticket, starting_point
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import Ticket

K, BIAS, ITERATIONS = "dense/kernel", "dense/bias", "optimizer:iterations"


def advanced(plan, rounds=1):
    """A ticket after so many rounds, and the dense one."""
    trainer = FakeTrainer(plan)
    dense = ticket = trainer.dense()
    for _ in range(rounds):
        ticket = prune_ticket(ticket, trainer.train(ticket), plan)
    return dense, ticket


def test_the_next_ticket_keeps_what_the_plan_says():
    plan = Plan(pruning_rate=0.3)
    _, ticket = advanced(plan, rounds=3)
    assert ticket.masks.kept == plan.kept_at(3, ticket.masks.shapes)
    assert ticket.round == 3


def test_plan_and_architecture_go_along():
    dense, ticket = advanced(Plan())
    assert (ticket.plan, ticket.architecture) == (dense.plan, dense.architecture)


def test_the_ticket_before_is_not_changed():
    trainer = FakeTrainer(Plan())
    dense = trainer.dense()
    before = {name: array.copy() for name, array in dense.state.items()}
    prune_ticket(dense, trainer.train(dense), Plan())
    assert dense.masks.density == 1.0
    assert all((dense.state[name] == before[name]).all() for name in before)


def test_masks_come_from_the_trained_weights_and_not_from_the_rewound_ones():
    masks = Masks.full({"k": (4,)})
    start, end = np.float32([1, 2, 3, 4]), np.float32([4, 3, 2, 1])
    ticket = Ticket(masks, {"k": start})
    pruned = prune_ticket(ticket, outcome({"k": end}), Plan(pruning_rate=0.5))
    assert pruned.masks["k"].tolist() == [True, True, False, False]


def test_masks_come_from_the_last_weights_and_not_from_the_best_ones():
    ticket = Ticket(Masks.full({"k": (2,)}), {"k": np.float32([1, 1])})
    trained = outcome({"k": np.float32([9, 1])}, best_weights={"k": np.float32([1, 9])})
    pruned = prune_ticket(ticket, trained, Plan(pruning_rate=0.5))
    assert pruned.masks["k"].tolist() == [True, False]


def test_bug_of_lightning_13643_weights_are_not_rewound():
    dense, ticket = advanced(Plan(), rounds=3)
    assert ticket.step == 0
    assert set(ticket.state) == set(dense.state)
    for name in dense.state:
        assert ticket.state[name].tobytes() == dense.state[name].tobytes()


def test_a_late_rewind_returns_to_the_state_of_the_dense_training_at_that_step():
    plan = Plan(rewind_to=20)
    trainer = FakeTrainer(plan)
    dense = trainer.dense()
    trained = trainer.train(dense)
    first = prune_ticket(dense, trained, plan)
    second = prune_ticket(first, trainer.train(first), plan)
    for ticket in (first, second):
        assert ticket.step == 20
        assert ticket.state is trained.next_start[1]
    assert (first.state[K] != dense.state[K]).any()


def test_lr_rewind_keeps_the_weights_and_starts_the_optimizer_anew():
    plan = Plan(retrain="lr_rewind")
    trainer = FakeTrainer(plan)
    ticket = dense = trainer.dense()
    for _ in range(3):
        trained = trainer.train(ticket)
        ticket = prune_ticket(ticket, trained, plan)
        assert ticket.step == 0
        assert (ticket.state[K] == trained.weights[K]).all()
        assert (ticket.state[BIAS] == trained.weights[BIAS]).all()
        for name in ("optimizer:iterations", f"optimizer:m/{K}"):
            assert (ticket.state[name] == dense.state[name]).all()
        assert set(ticket.state) == set(dense.state)


def test_fine_tune_goes_on_with_weights_and_optimizer_as_they_ended():
    plan = Plan(retrain="fine_tune")
    trainer = FakeTrainer(plan)
    ticket = trainer.dense()
    for _ in range(2):
        trained = trainer.train(ticket)
        ticket = prune_ticket(ticket, trained, plan)
        assert ticket.step == 0
        assert ticket.state[ITERATIONS] == 100
        assert (ticket.state[K] == trained.weights[K]).all()


def test_the_outcome_may_say_where_the_next_ticket_starts():
    ticket = Ticket(Masks.full({"k": (2,)}), {"k": np.zeros(2)}, step=5)
    state = {"k": np.ones(2)}
    assert starting_point(ticket, outcome({}), Plan()) == (5, ticket.state)
    trained = outcome({}, next_start=(9, state))
    assert starting_point(ticket, trained, Plan()) == (9, state)


def test_a_chain_that_training_started_from_is_whole_after_rewinding_the_rate():
    """As a replicate's state is: what is drawn, over what is not."""
    drawn = {"k": np.zeros(2), "optimizer:average/k": np.zeros(2)}
    state = ChainMap(drawn, {"k": np.ones(2), "optimizer:average/k": np.ones(2)})
    ticket = Ticket(Masks.full({"k": (2,)}), state)
    plan = Plan(retrain="lr_rewind")
    for value in (2.0, 3.0):
        trained = outcome({"k": np.full(2, value)})
        step, state = starting_point(ticket, trained, plan)
        assert (step, state["k"][0], state["optimizer:average/k"][0]) == (0, value, 0)
        ticket = Ticket(ticket.masks, state)
    weights = {id(each) for each in state.maps}
    assert id(trained.weights) in weights and len(weights) == 2


def test_the_function_of_the_plan_decides():
    def last_first(ticket, _):
        return {path: -np.arange(mask.size) for path, mask in ticket.masks.items()}

    ticket = Ticket(Masks.full({"k": (4,)}), {"k": np.zeros(4)})
    plan = Plan(criterion=last_first, pruning_rate=0.5)
    assert prune_ticket(ticket, outcome({}), plan).masks["k"].tolist() == [1, 1, 0, 0]


def test_the_block_size_of_the_plan_decides():
    ticket = Ticket(Masks.full({"k": (4, 2)}), {"k": np.zeros((4, 2))})
    trained = outcome({"k": np.array([[9, 5], [0, 5], [0, 5], [0, 5]])})
    plan = Plan(pruning_rate=0.5, block_size=(1, 4))
    masks = prune_ticket(ticket, trained, plan).masks
    assert masks["k"].tolist() == [[False, True]] * 4


def test_a_criterion_that_forgets_a_layer_is_an_error_that_names_it():
    plan = Plan(criterion=lambda ticket, _: {K: np.zeros((6, 5))})
    with pytest.raises(ValueError, match="'block/dense_1/kernel' is missing"):
        advanced(plan)


def test_nan_weights_are_an_error_that_names_the_layer():
    ticket = Ticket(Masks.full({"k": (2,)}), {"k": np.zeros(2)})
    with pytest.raises(ValueError, match="'k' hold NaN"):
        prune_ticket(ticket, outcome({"k": np.array([1, np.nan])}), Plan())


# The masks of every round are checked, whatever made them.

FULL = Masks.full({"a": (10,), "b": (10,)})


def kept(a, b):
    return Masks({"a": np.arange(10) < a, "b": np.arange(10) < b})


def test_masks_of_the_planned_size_pass():
    check_masks(kept(8, 8), FULL, 1, Plan())


@pytest.mark.parametrize("masks", [kept(8, 7), kept(8, 9), FULL])
def test_masks_of_another_size_are_an_error_that_says_both(masks):
    with pytest.raises(InvariantError, match=f"keeps {masks.kept} weights.* keeps 16"):
        check_masks(masks, FULL, 1, Plan())


def test_masks_of_the_right_size_in_all_but_the_wrong_one_in_a_layer_are_an_error():
    with pytest.raises(InvariantError):
        check_masks(kept(6, 10), FULL, 1, Plan())


def test_a_weight_that_comes_back_is_an_error():
    before = Masks({"a": np.arange(10) > 0, "b": np.arange(10) > 0})
    with pytest.raises(InvariantError, match="came back in round 1"):
        check_masks(kept(8, 8), before, 1, Plan())


def test_a_ticket_that_does_not_fit_its_plan_cannot_be_advanced():
    ticket = dataclasses.replace(FakeTrainer(Plan()).dense(), round=4)
    trained = FakeTrainer(Plan()).train(ticket)
    with pytest.raises(InvariantError, match="Round 5 keeps"):
        prune_ticket(ticket, trained, Plan())
