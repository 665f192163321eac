"""Controls of the weights: drawn again, with their signs, or as they began."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given

from tests.core.controlling import (
    DRAWN,
    SAME_MASKS,
    applied,
    assert_equal,
    context_of,
    pruned,
    seeds,
    tickets,
)
from tests.fakes import FakeTrainer
from tf_lottery.core import controls
from tf_lottery.core.controls import Context
from tf_lottery.core.masks import Masks
from tf_lottery.core.ticket import Ticket


@pytest.mark.parametrize("name", SAME_MASKS)
@given(tickets())
def test_controls_of_the_weights_keep_the_masks(name, ticket):
    assert applied(name, ticket).masks == ticket.masks


@pytest.mark.parametrize("name", ["reinit", "random_mask"])
@given(tickets(), seeds)
def test_the_state_is_exactly_what_is_drawn_for_the_seed(name, ticket, seed):
    context = context_of(ticket, seed)
    control = controls.get(name)(ticket, context)
    assert_equal(control.state, context.draw(seed))


@given(tickets(), seeds)
def test_signs_are_the_tickets_and_all_else_is_drawn(ticket, seed):
    context = context_of(ticket, seed)
    control = controls.reinit_same_sign(ticket, context)
    drawn = context.draw(seed)
    others = [name for name in drawn if name not in ticket.masks]
    assert_equal(control.state, drawn, others)
    for path in ticket.masks:
        found = control.state[path]
        assert found.dtype == drawn[path].dtype
        assert (np.abs(found) == np.abs(drawn[path])).all()
        assert (np.signbit(found) == np.signbit(ticket.state[path])).all()


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ml_dtypes.bfloat16])
def test_a_weight_of_zero_keeps_the_sign_that_is_drawn(dtype):
    start = {"k": np.array([0.0, -0.0, 0.0, -1.0, 1.0]).astype(dtype)}
    drawn = {"k": np.array([2.0, -3.0, -4.0, 5.0, -6.0]).astype(dtype)}
    ticket = Ticket(Masks.full({"k": (5,)}), start)
    control = controls.reinit_same_sign(ticket, Context(0, draw=lambda seed: drawn))
    assert control.state["k"].tolist() == [2, -3, -4, -5, 6]
    assert control.state["k"].dtype == drawn["k"].dtype
    assert drawn["k"].tolist() == [2, -3, -4, 5, -6]


def test_the_signs_are_those_of_the_trained_weights_after_lr_rewinding():
    ticket = pruned(retrain="lr_rewind")
    control = applied("reinit_same_sign", ticket)
    path = "dense/kernel"
    kept = ticket.masks[path]
    assert (np.sign(control.state[path]) == np.sign(ticket.state[path]))[kept].all()


@given(tickets())
def test_rewound_is_the_initial_state(ticket):
    context = context_of(ticket)
    assert controls.rewound(ticket, context).state is context.initial


def test_rewound_undoes_continued_training():
    ticket = pruned(retrain="lr_rewind")
    initial = FakeTrainer(ticket.plan).dense().state
    control = controls.rewound(ticket, Context(0, initial=initial))
    assert_equal(control.state, initial)
    assert control.masks == ticket.masks


@pytest.mark.parametrize("name", DRAWN)
def test_a_context_that_cannot_draw_is_an_error(name):
    with pytest.raises(ValueError, match=rf"'{name}'.*draw=None"):
        applied(name, pruned(), draw=None)


def test_a_context_without_the_initial_state_is_an_error():
    with pytest.raises(ValueError, match=r"'rewound'.*initial=None"):
        applied("rewound", pruned(), initial=None)


def test_a_seed_is_enough_to_shuffle():
    assert controls.shuffle(pruned(), Context(0)).masks != pruned().masks
