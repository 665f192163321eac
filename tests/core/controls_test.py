"""A control changes one thing about a ticket, and nothing else."""

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.core.controlling import (
    ALL,
    DRAWN,
    SHUFFLED,
    applied,
    assert_equal,
    context_of,
    pruned,
    seeds,
    tickets,
)
from tests.fakes import FakeTrainer, outcome
from tf_lottery.core import controls
from tf_lottery.core.controls import Context, unchanged
from tf_lottery.core.next_ticket import prune_ticket, starting_point
from tf_lottery.core.ticket import FoundTicket, Ticket


@pytest.mark.parametrize("name", ALL)
@given(tickets(), seeds)
def test_round_plan_architecture_and_density_of_each_layer_stay(name, ticket, seed):
    control = applied(name, ticket, seed)
    for kept in ("round", "plan", "architecture"):
        assert getattr(control, kept) == getattr(ticket, kept)
    assert control.masks.shapes == ticket.masks.shapes
    assert control.masks.kept_by_layer() == ticket.masks.kept_by_layer()


@pytest.mark.parametrize("name", ALL)
@given(tickets())
def test_the_ticket_and_its_context_are_not_changed(name, ticket):
    context = context_of(ticket)
    before = {n: array.copy() for n, array in ticket.state.items()}
    initial = {n: array.copy() for n, array in context.initial.items()}
    controls.get(name)(ticket, context)
    assert_equal(ticket.state, before)
    assert_equal(context.initial, initial)


@pytest.mark.parametrize("name", ALL)
@given(tickets(), seeds)
def test_equal_seeds_give_equal_bits(name, ticket, seed):
    one, other = applied(name, ticket, seed), applied(name, ticket, seed)
    assert one.masks == other.masks
    assert_equal(one.state, other.state)


@pytest.mark.parametrize("name", ALL)
def test_what_training_said_of_the_ticket_is_not_said_of_its_control(name):
    control = applied(name, FoundTicket.of(pruned(), outcome({})))
    assert type(control) is Ticket


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("plan", [{}, {"rewind_to": 20}, {"scope": "global"}], ids=str)
def test_a_control_of_a_searchs_ticket_verifies(name, plan):
    ticket = pruned(**plan)
    control = applied(name, ticket)
    control.verify()
    assert control.density == ticket.density


@pytest.mark.parametrize("name", ALL)
def test_other_seeds_give_other_controls(name):
    one, other = (applied(name, pruned(), seed) for seed in (0, 1))
    differs = any((one.state[p] != other.state[p]).any() for p in one.masks)
    assert differs == (name in DRAWN)
    assert (one.masks != other.masks) == (name in SHUFFLED)


@pytest.mark.parametrize("name", ALL)
def test_the_global_generator_is_left_alone(name):
    np.random.seed(0)
    expected = np.random.random()
    np.random.seed(0)
    applied(name, pruned())
    assert np.random.random() == expected


@pytest.mark.parametrize("name", ALL)
def test_new_weights_start_at_step_0_and_kept_ones_at_the_tickets_step(name):
    ticket = pruned(rewind_to=20)
    assert ticket.step == 20
    assert applied(name, ticket).step == (20 if name == "shuffle" else 0)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("retrain", ["rewind", "lr_rewind", "fine_tune"])
def test_a_search_can_go_on_from_a_control(name, retrain):
    ticket = pruned(1, retrain=retrain)
    control = applied(name, ticket)
    trained = FakeTrainer(ticket.plan).train(control)
    sparser = prune_ticket(control, trained, ticket.plan)
    assert sparser.masks.issubset(control.masks)
    _, state = starting_point(control, trained, ticket.plan)
    assert set(state) == set(ticket.state)


# What was not changed.


@given(tickets())
def test_nothing_is_changed_by_no_control(ticket):
    copy = dataclasses.replace(ticket, state=dict(ticket.state))
    assert unchanged(ticket, copy) == list(ticket.masks)


@given(tickets(), st.data())
def test_one_other_survivor_is_a_change_and_other_removed_weights_are_not(ticket, data):
    path = data.draw(st.sampled_from(list(ticket.masks)))
    mask = ticket.masks[path]
    assume(mask.any())
    others = [name for name in ticket.masks if name != path]
    changed = ticket.state[path].copy()
    changed.flat[data.draw(st.sampled_from(list(np.flatnonzero(mask))))] += 1
    removed = np.where(mask, ticket.state[path], 99)
    for array, expected in ((changed, others), (removed, list(ticket.masks))):
        control = dataclasses.replace(ticket, state={**ticket.state, path: array})
        assert unchanged(ticket, control) == expected


@given(tickets(), seeds)
def test_a_layer_is_shuffled_unless_its_mask_came_out_the_same(ticket, seed):
    control = applied("shuffle", ticket, seed)
    same = [p for p in ticket.masks if (ticket.masks[p] == control.masks[p]).all()]
    assert unchanged(ticket, control) == same
    dense = [path for path, mask in ticket.masks.items() if mask.all()]
    assert set(dense) <= set(same)


def test_a_layer_of_a_constant_initialiser_is_not_reinitialised():
    ticket = pruned()
    constant = {"logits/kernel": ticket.state["logits/kernel"]}
    drawn = {**context_of(ticket).draw(5), **constant}
    control = controls.reinit(ticket, Context(0, draw=lambda seed: drawn))
    assert unchanged(ticket, control) == ["logits/kernel"]


def test_rewinding_a_ticket_to_where_it_starts_changes_nothing():
    ticket = pruned()
    control = controls.rewound(ticket, Context(0, initial=ticket.state))
    assert unchanged(ticket, control) == list(ticket.masks)
