"""Controls beside a search: the same tickets, and one thing changed at a time."""

import dataclasses
import itertools

import numpy as np
import pytest

from tests.fakes import SHAPES, FakeTrainer
from tests.run_dir.contents import content
from tests.search.controlling import EVERY, LOGITS, controls_of, searched, which
from tf_lottery.core import controls
from tf_lottery.core.history import Round
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import Ticket

# Which there are.


def test_every_pruned_round_has_every_control_by_default():
    trained = controls_of(Plan(rounds=2, controls=("reinit", "shuffle")))
    assert which(trained) == [
        (1, "reinit", 0),
        (1, "shuffle", 0),
        (2, "reinit", 0),
        (2, "shuffle", 0),
    ]


def test_chosen_rounds_have_controls_and_others_none():
    plan = Plan(rounds=3, controls=("reinit", "shuffle"), control_rounds=(2,))
    assert which(controls_of(plan)) == [(2, "reinit", 0), (2, "shuffle", 0)]


def test_a_dict_gives_each_control_its_own_rounds():
    rounds = {"reinit": (1, 3), "shuffle": (2,)}
    plan = Plan(rounds=3, controls=("reinit", "shuffle"), control_rounds=rounds)
    expected = [(1, "reinit", 0), (2, "shuffle", 0), (3, "reinit", 0)]
    assert which(controls_of(plan)) == expected


def test_each_control_is_drawn_as_often_as_the_plan_says():
    plan = Plan(rounds=1, controls=("reinit", "shuffle"), control_replicates=3)
    trained = controls_of(plan)
    pairs = [(1, name, draw) for name in ("reinit", "shuffle") for draw in range(3)]
    assert which(trained) == pairs
    starts = {round.ticket.state[LOGITS].tobytes() for round in trained[:3]}
    moved = {round.ticket.masks.digest() for round in trained[3:]}
    assert (len(starts), len(moved)) == (3, 3)


def test_what_is_trained_is_what_the_plan_lists():
    plan = Plan(rounds=2, controls=EVERY, control_replicates=2)
    rounds, trained, _ = searched(plan)
    assert which([*rounds, *trained]) == plan.trainings()


def test_a_search_that_ended_early_has_the_controls_of_its_rounds():
    plan = Plan(rounds=9, controls=("reinit",))
    trainer = FakeTrainer(plan, {"a/kernel": (3,), "b/kernel": (2,)})
    with pytest.warns(UserWarning, match="The search ended"):
        trained = controls_of(plan, trainer)
    assert which(trained) == [(1, "reinit", 0)]


def test_a_control_is_a_round_that_says_of_which_ticket():
    plan = Plan(rounds=2, controls=("reinit",))
    rounds, trained, _ = searched(plan)
    for control in trained:
        assert isinstance(control, Round)
        ticket = rounds[control.number].ticket
        assert control.ticket.round == control.number
        assert control.ticket.plan == plan
        assert control.ticket.architecture == ticket.architecture
        assert control.row()["density"] == ticket.density


# They are beside the search, and not in it.


@pytest.mark.parametrize("retrain", ["rewind", "lr_rewind", "fine_tune"])
def test_tickets_do_not_depend_on_which_controls_there_are(retrain):
    alone, _, _ = searched(Plan(rounds=3, retrain=retrain))
    chosen = EVERY if retrain == "rewind" else ("reinit", "random_mask")
    beside, _, _ = searched(Plan(rounds=3, retrain=retrain, controls=chosen))
    assert list(map(content, beside)) == list(map(content, alone))


def test_controls_are_trained_after_the_rounds():
    _, _, trainer = searched(Plan(rounds=2, controls=("reinit",)))
    assert trainer.controls == [
        (0, 0, None),
        (0, 1, None),
        (0, 2, None),
        (0, 1, "reinit"),
        (0, 2, "reinit"),
    ]


def test_a_control_does_not_depend_on_which_others_there_are():
    def shuffled(*chosen):
        plan = Plan(rounds=2, controls=chosen)
        trained = controls_of(plan)
        return [content(each) for each in trained if each.control == "shuffle"]

    assert shuffled("shuffle") == shuffled("reinit", "shuffle", "random_mask")


# What they start from.


def test_reinit_starts_at_step_0_with_the_masks_of_the_ticket():
    plan = Plan(rounds=1, controls=("reinit",), rewind_to=20)
    rounds, (control,), _ = searched(plan)
    assert rounds[1].ticket.step == 20
    assert control.ticket.step == 0
    assert control.ticket.masks == rounds[1].ticket.masks
    assert control.ticket.state["optimizer:iterations"] == 0


def test_shuffle_starts_where_the_ticket_does_with_moved_masks():
    plan = Plan(rounds=1, controls=("shuffle",), rewind_to=20)
    rounds, (control,), _ = searched(plan)
    ticket = rounds[1].ticket
    assert control.ticket.step == ticket.step == 20
    assert control.ticket.masks != ticket.masks
    assert control.ticket.masks.kept_by_layer() == ticket.masks.kept_by_layer()
    for name in ticket.state:
        assert (control.ticket.state[name] == ticket.state[name]).all()


def test_equal_seeds_give_equal_bits_and_others_give_others():
    plan = Plan(rounds=2, controls=EVERY, control_replicates=2)
    one, two = controls_of(plan), controls_of(plan)
    assert list(map(content, one)) == list(map(content, two))
    other = controls_of(dataclasses.replace(plan, seed=1))
    replicate = controls_of(plan.of_replicate(1))
    for each in zip(one, other, replicate, strict=True):
        assert not any(same(a, b) for a, b in itertools.combinations(each, 2))


def same(one, other):
    return one.ticket.masks == other.ticket.masks and all(
        np.array_equal(one.ticket.state[path], other.ticket.state[path])
        for path in SHAPES
    )


def test_names_rounds_and_draws_have_seeds_of_their_own():
    seeds = []

    def first(ticket, context):
        seeds.append(context.seed)
        return controls.reinit(ticket, context)

    def second(ticket, context):
        return first(ticket, context)

    plan = Plan(rounds=3, controls=(first, second), control_replicates=4)
    controls_of(plan)
    controls_of(plan.of_replicate(1))
    assert len(set(seeds)) == len(seeds) == 2 * 3 * 2 * 4


def test_a_control_sees_the_dense_network_before_and_after_training():
    seen = []

    def look(ticket, context):
        seen.append(context)
        return controls.rewound(controls.reinit(ticket, context), context)

    def rewound_masks(ticket, context):
        return controls.reinit(look(ticket, context), context)

    plan = Plan(rounds=1, controls=(rewound_masks,), rewind_to=20)
    rounds, _, _ = searched(plan)
    assert seen[0].initial is rounds[0].ticket.state
    assert seen[0].dense is rounds[0].outcome


# Controls of one's own.


def halved(ticket, context):
    """Halves the starting weights, as a control of a user's own would."""
    state = {n: a / 2 if n in ticket.masks else a for n, a in ticket.state.items()}
    return Ticket(ticket.masks, state, ticket.step)


def test_a_function_is_a_control_by_its_name_and_needs_to_set_no_more():
    plan = Plan(rounds=2, controls=(halved,))
    rounds, trained, _ = searched(plan)
    assert which(trained) == [(1, "halved", 0), (2, "halved", 0)]
    for control, round in zip(trained, rounds[1:], strict=True):
        start = round.ticket.state[LOGITS]
        assert (control.ticket.state[LOGITS] == start / 2).all()
        for name in ("round", "plan", "architecture"):
            assert getattr(control.ticket, name) == getattr(round.ticket, name)


class Diverging(FakeTrainer):
    def train(self, ticket, *, control=None, **arguments):
        if (control, ticket.round) == ("reinit", 1):
            raise FloatingPointError("`loss` became NaN in control reinit")
        return super().train(ticket, control=control, **arguments)


def test_several_workers_end_together_when_a_control_becomes_nan():
    trainer = Diverging(Plan(rounds=2, controls="reinit"))
    trainer.workers.count = 2
    with pytest.raises(FloatingPointError):
        controls_of(trainer.plan, trainer)


def test_a_control_that_becomes_nan_is_left_out_with_a_warning():
    plan = Plan(rounds=2, controls=("reinit", "shuffle"))
    with pytest.warns(UserWarning, match="left out: `loss` became NaN"):
        trained = controls_of(plan, Diverging(plan))
    assert which(trained) == [(1, "shuffle", 0), (2, "reinit", 0), (2, "shuffle", 0)]
