"""A control that is no ticket of the model, or that changes nothing, is refused."""

import dataclasses
import functools
import warnings

import numpy as np
import pytest

from tests.fakes import SHAPES, FakeTrainer
from tests.search.controlling import EVERY, LOGITS, controls_of, searched
from tf_lottery.core.masks import Masks
from tf_lottery.core.plan import Plan
from tf_lottery.search.controls import check_controls


def nothing(ticket, context):
    return None


def a_number(ticket, context):
    return 0.5


def masks_alone(ticket, context):
    return ticket.masks


def other_layers(ticket, context):
    return dataclasses.replace(ticket, masks=Masks({"other/kernel": [True]}))


def other_shapes(ticket, context):
    masks = {path: mask[:1] for path, mask in ticket.masks.items()}
    return dataclasses.replace(ticket, masks=Masks(masks))


def no_weights(ticket, context):
    return dataclasses.replace(ticket, state={})


def a_lost_weight(ticket, context):
    state = {name: a for name, a in ticket.state.items() if name != LOGITS}
    return dataclasses.replace(ticket, state=state)


def weights_of_another_shape(ticket, context):
    return dataclasses.replace(ticket, state={**ticket.state, LOGITS: np.ones(9)})


@pytest.mark.parametrize(
    "control",
    [
        nothing,
        a_number,
        masks_alone,
        other_layers,
        other_shapes,
        no_weights,
        a_lost_weight,
        weights_of_another_shape,
    ],
)
def test_what_is_no_ticket_of_the_model_is_an_error_that_names_the_control(control):
    plan = Plan(rounds=1, controls=(control,))
    trainer = FakeTrainer(plan)
    with pytest.raises(TypeError, match=f"'{control.__name__}' must return a ticket"):
        controls_of(plan, trainer)
    assert trainer.rounds_trained == [0, 1]


# Controls that do not change what they say.


def drawing(*constant):
    """A trainer whose initialisers are constant for these weights."""

    def draw_as(path, array):
        return np.full_like(array, 0.5) if path in constant else array

    return functools.partial(FakeTrainer, draw_as=draw_as)


def unchanged(ticket, context):
    return ticket


def other_removed_weights(ticket, context):
    """Changes removed weights alone, which no training sees."""
    state = {
        name: np.where(ticket.masks[name], a, 7) if name in ticket.masks else a
        for name, a in ticket.state.items()
    }
    return dataclasses.replace(ticket, state=state)


@pytest.mark.parametrize("control", [unchanged, other_removed_weights])
def test_a_control_that_changes_nothing_is_an_error(control):
    plan = Plan(rounds=1, controls=(control,))
    with pytest.raises(ValueError, match=f"'{control.__name__}' changes nothing"):
        controls_of(plan)


def test_a_constant_initialiser_makes_reinit_an_error_that_says_so():
    plan = Plan(rounds=1, controls=("reinit",))
    trainer = drawing(*SHAPES)(plan)
    with pytest.raises(ValueError, match="initialiser that is constant"):
        controls_of(plan, trainer)
    assert trainer.rounds_trained == [0, 1]


@pytest.mark.parametrize("name", ["shuffle", "random_mask"])
def test_a_constant_initialiser_leaves_masks_to_be_moved(name):
    plan = Plan(rounds=1, controls=(name,))
    rounds, (control,), _ = searched(plan, drawing(*SHAPES)(plan))
    assert control.ticket.masks != rounds[1].ticket.masks


def test_layers_that_a_control_leaves_are_named_in_a_warning():
    plan = Plan(rounds=2, controls=("reinit",))
    with pytest.warns(UserWarning, match="'reinit' of round") as caught:
        controls_of(plan, drawing(LOGITS, "dense/kernel")(plan))
    assert [str(w.message) for w in caught] == [
        f"The control 'reinit' of round {number} does not change 'dense/kernel', "
        f"'{LOGITS}'."
        for number in (1, 2)
    ]


def test_a_layer_that_is_left_dense_is_named_when_it_is_shuffled():
    plan = Plan(rounds=1, controls=("shuffle",), layer_rates={"logits": 0.0})
    with pytest.warns(UserWarning, match=f"does not change '{LOGITS}'"):
        controls_of(plan)


def test_controls_that_change_every_layer_warn_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(controls_of(Plan(rounds=2, seed=1, controls=EVERY))) == 8


# Before and while they train.


class Constant(FakeTrainer):
    """Whose weights do not depend on the seed."""

    def draw(self, seed):
        return super().draw(0)


@pytest.mark.parametrize("control", ["reinit", "reinit_same_sign", "random_mask"])
def test_a_model_that_is_always_the_same_is_refused_before_training(control):
    trainer = Constant(Plan(controls=(control,)))
    with pytest.raises(ValueError, match="set a seed itself"):
        check_controls(trainer)
    assert trainer.trained == []


def test_rewound_is_refused_where_tickets_are_rewound_there_already():
    with pytest.raises(ValueError, match="'rewound' changes nothing"):
        check_controls(FakeTrainer(Plan(controls="rewound")))
    for plan in ({"rewind_to": 20}, {"retrain": "lr_rewind"}):
        check_controls(FakeTrainer(Plan(controls="rewound", **plan)))


def test_what_draws_nothing_needs_no_draw():
    check_controls(Constant(Plan(controls="shuffle")))
