"""A control changes one thing about a ticket, and nothing else."""

import dataclasses
import functools
import zlib

import ml_dtypes
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tests.fakes import FakeTrainer, outcome
from tests.strategies import blocked_scores, in_blocks
from tf_lottery.core import controls
from tf_lottery.core.advance import prune_ticket, starting_point
from tf_lottery.core.controls import Context, name_of_control, unchanged
from tf_lottery.core.masks import Masks
from tf_lottery.core.named import _Named, name_of
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import Ticket

ALL = list(controls.NAMES)
DRAWN = ["reinit", "reinit_same_sign", "random_mask"]
SAME_MASKS = ["reinit", "reinit_same_sign", "rewound"]
SHUFFLED = ["shuffle", "random_mask"]

seeds = st.integers(0, 2**32 - 1)


@st.composite
def tickets(draw):
    """Tickets of any shapes, also () and (0, n), types and densities, also 0 and 1."""
    masks, state = {}, {}
    for number in range(draw(st.integers(1, 3))):
        shape = draw(npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
        dtype = draw(st.sampled_from([np.float16, np.float32, np.float64]))
        filled = draw(st.sampled_from([None, False, True]))
        some = npst.arrays(bool, shape) if filled is None else st.just(filled)
        path = f"layer{number}/kernel"
        masks[path] = np.broadcast_to(draw(some), shape)
        state[path] = draw(npst.arrays(dtype, shape, elements=_numbers))
        state[f"layer{number}/bias"] = np.ones(3, dtype)
        state[f"optimizer:m/{path}"] = np.full(shape, 0.5, dtype)
    state["optimizer:iterations"] = np.array(7)
    plan = Plan(seed=draw(seeds))
    architecture = {"model": "any"}
    step, round = draw(st.integers(0, 9)), draw(st.integers(0, 9))
    return Ticket(Masks(masks), state, step, round, plan, architecture)


# No zeros, which a shuffled ticket may have to refuse; both signs.
_numbers = st.sampled_from([0.5, -0.5, 1.0, -2.0]) | st.floats(0.125, 8, width=16)


def context_of(ticket, seed=0, **changes):
    """A context whose states are by chance, by the seed and the name."""

    def draw(seed):
        return {
            name: np.asarray(
                np.random.default_rng([seed, zlib.crc32(name.encode())]).normal(
                    size=array.shape
                )
            ).astype(array.dtype)
            for name, array in ticket.state.items()
        }

    return Context(seed, **{"draw": draw, "initial": draw(10**9), **changes})


def applied(name, ticket, seed=0, **changes):
    return controls.get(name)(ticket, context_of(ticket, seed, **changes))


def assert_equal(state, expected, names=None):
    """The same bits."""
    assert set(state) == set(expected)
    for name in names or expected:
        assert state[name].dtype == expected[name].dtype, name
        assert state[name].shape == expected[name].shape, name
        assert state[name].tobytes() == expected[name].tobytes(), name


# What every control keeps.


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
    ticket = dataclasses.replace(
        pruned(), outcome=outcome({}), rows=({"round": 1},), won=True, reason="because"
    )
    control = applied(name, ticket)
    assert (control.outcome, control.history, control.data) == (None, None, None)
    assert (control.rows, control.won, control.reason) == ((), False, "")


def pruned(rounds=2, **plan):
    """A ticket of a search, with the state of its initialisation."""
    trainer = FakeTrainer(Plan(**plan))
    ticket = trainer.dense()
    for _ in range(rounds):
        ticket = prune_ticket(ticket, trainer.train(ticket), trainer.plan)
    return ticket


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


# Weights.


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


@pytest.mark.parametrize("name", DRAWN)
def test_a_context_that_cannot_draw_is_an_error(name):
    with pytest.raises(ValueError, match=rf"'{name}'.*draw=None"):
        applied(name, pruned(), draw=None)


def test_a_context_without_the_initial_state_is_an_error():
    with pytest.raises(ValueError, match=r"'rewound'.*initial=None"):
        applied("rewound", pruned(), initial=None)


def test_a_seed_is_enough_to_shuffle():
    assert controls.shuffle(pruned(), Context(0)).masks != pruned().masks


# Masks.


@given(tickets(), seeds)
def test_shuffling_keeps_weights_and_step(ticket, seed):
    control = applied("shuffle", ticket, seed)
    assert control.state is ticket.state
    assert control.step == ticket.step


@given(tickets(), seeds)
def test_a_random_mask_is_the_shuffled_one(ticket, seed):
    one, other = (applied(name, ticket, seed) for name in SHUFFLED)
    assert one.masks == other.masks


@given(tickets(), seeds, st.data())
def test_the_shuffled_masks_of_rounds_are_nested(ticket, seed, data):
    fewer = {
        path: mask & data.draw(npst.arrays(bool, mask.shape))
        for path, mask in ticket.masks.items()
    }
    sparser = dataclasses.replace(ticket, masks=Masks(fewer))
    one, other = (applied("shuffle", t, seed).masks for t in (sparser, ticket))
    assert one.issubset(other)


def test_layers_of_one_shape_are_shuffled_apart():
    mask = np.arange(64) < 32
    ticket = Ticket(Masks({"a": mask, "b": mask}), {n: np.ones(64) for n in "ab"})
    control = controls.shuffle(ticket, Context(0))
    assert (control.masks["a"] != control.masks["b"]).any()


def test_a_layer_is_shuffled_alike_whatever_other_layers_there_are():
    ticket = pruned()
    path = "dense/kernel"
    alone = dataclasses.replace(ticket, masks=Masks({path: ticket.masks[path]}))
    one, other = (controls.shuffle(t, Context(3)).masks[path] for t in (ticket, alone))
    assert (one == other).all()


def test_every_position_is_as_likely():
    ticket = Ticket(Masks({"k": [[True, False, False, False]]}), {"k": np.ones((1, 4))})
    kept = [controls.shuffle(ticket, Context(seed)).masks["k"] for seed in range(1000)]
    assert np.sum(kept, axis=0).sum() == 1000
    assert (np.abs(np.sum(kept, axis=0) - 250) < 60).all()  # four standard deviations


def test_columns_and_rows_do_not_stay_together():
    mask = np.zeros((8, 8), bool)
    mask[:4] = True
    ticket = Ticket(Masks({"k": mask}), {"k": np.ones((8, 8))})
    rows = controls.shuffle(ticket, Context(0)).masks["k"].sum(axis=1)
    assert set(rows) - {0, 8}


def test_shuffled_masks_are_the_same_on_every_machine():
    masks = Masks({"dense/kernel": np.arange(300).reshape(20, 15) % 3 == 0})
    ticket = Ticket(masks, {"dense/kernel": np.ones((20, 15))})
    digest = controls.shuffle(ticket, Context(2**32 - 1)).masks.digest()
    assert digest == DIGEST


DIGEST = "3c4ea75523913cb8c2508b14199b05f20c363e5570002b1dd2160043de2599bb"


@given(blocked_scores(), seeds)
def test_blocks_move_as_units(drawn, seed):
    masks, _, block_size = drawn
    state = {path: np.ones(shape) for path, shape in masks.shapes.items()}
    ticket = Ticket(masks, state, plan=Plan(block_size=block_size))
    control = controls.shuffle(ticket, Context(seed))
    assert in_blocks(control.masks, block_size)
    assert control.masks.kept_by_layer() == masks.kept_by_layer()


def test_blocks_do_not_stay_where_they_were():
    plan = Plan(block_size=(1, 4), pruning_rate=0.5)
    trainer = FakeTrainer(plan, {"k": (16, 8), "odd": (7, 5)})
    ticket = trainer.dense()
    ticket = prune_ticket(ticket, trainer.train(ticket), plan)
    control = controls.shuffle(ticket, Context(0))
    control.verify()
    assert all((control.masks[p] != ticket.masks[p]).any() for p in ticket.masks)


@pytest.mark.parametrize("retrain", ["lr_rewind", "fine_tune"])
def test_removed_weights_that_are_not_known_any_more_cannot_come_back(retrain):
    ticket = pruned(retrain=retrain)
    with pytest.raises(ValueError, match=r"'shuffle' needs.*retrain=\"rewind\""):
        applied("shuffle", ticket)
    assert applied("random_mask", ticket).masks != ticket.masks


def test_nor_can_those_that_a_file_does_not_hold(tmp_path):
    pruned().save(tmp_path / "ticket.npz")
    with pytest.raises(ValueError, match="or a file"):
        applied("shuffle", Ticket.load(tmp_path / "ticket.npz"))


def test_weights_that_start_from_zero_are_known():
    ticket = Ticket(Masks({"k": np.arange(9) < 4}), {"k": np.zeros(9)})
    assert controls.shuffle(ticket, Context(0)).masks.kept == 4


# Names.


@pytest.mark.parametrize("name", ALL)
def test_a_name_gets_its_control(name):
    assert controls.get(name) is getattr(controls, name)
    assert name_of_control(name) == name_of_control(controls.get(name)) == name


def test_a_callable_is_its_own_control():
    assert controls.get(controls.shuffle) is controls.shuffle
    assert controls.get(len) is len


@pytest.mark.parametrize("bad", ["reinitialise", "", None, 3])
def test_an_unknown_name_is_an_error_that_lists_the_known(bad):
    with pytest.raises(ValueError, match=r"`control`.*'reinit'.*'rewound'") as error:
        controls.get(bad)
    assert repr(bad) in str(error.value)


def test_the_name_of_an_unknown_control_is_an_error_too():
    with pytest.raises(ValueError, match="must be one of"):
        name_of_control("reinitialise")


class Halved:
    def __call__(self, ticket, context):
        return ticket

    def method(self, ticket, context):
        return ticket

    @staticmethod
    def static(ticket, context):
        return ticket


def test_callables_have_the_name_of_their_function_or_class():
    def inner(ticket, context):
        return ticket

    assert name_of_control(inner) == "inner"
    assert name_of_control(Halved()) == "Halved"
    assert name_of_control(Halved().method) == "method"
    assert name_of_control(Halved.static) == "static"


def test_a_control_that_a_file_names_has_the_same_name():
    for control in (controls.shuffle, Halved(), Halved.static):
        known = _Named(name_of(control))
        assert name_of_control(known) == name_of_control(control)


@pytest.mark.parametrize(
    "control",
    [
        lambda t, c: t,
        functools.partial(controls.reinit),
        _Named("m:f.<lambda>"),
    ],
    ids=["lambda", "partial", "lambda in a file"],
)
def test_what_has_no_name_is_an_error_that_says_what_to_use(control):
    with pytest.raises(ValueError, match="named function instead of a lambda"):
        name_of_control(control)


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
