"""The loop of the paper, with a trainer that costs nothing."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import SHAPES, FakeTrainer
from tests.strategies import in_blocks, scopes
from tf_lottery.core.plan import Plan
from tf_lottery.search.rounds import run_rounds


def searched(plan, **trainer):
    return list(run_rounds(FakeTrainer(plan, **trainer), plan))


def test_a_search_trains_one_network_more_than_it_prunes():
    plan = Plan(rounds=3)
    trainer = FakeTrainer(plan)
    rounds = list(run_rounds(trainer, plan))
    assert trainer.rounds_trained == [0, 1, 2, 3]
    assert [round.number for round in rounds] == [0, 1, 2, 3]
    assert [round.ticket for round in rounds] == trainer.trained


def test_round_zero_is_dense():
    first = searched(Plan(rounds=1))[0]
    assert (first.ticket.density, first.ticket.round) == (1.0, 0)


@given(st.floats(0.1, 0.3), scopes, st.integers(1, 4))
def test_each_round_is_a_subset_of_the_one_before_and_as_big_as_planned(
    rate, scope, rounds
):
    plan = Plan(rounds=rounds, pruning_rate=rate, scope=scope, seed=rounds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a global search may empty a layer
        found = [round.ticket for round in searched(plan)]
    assert [t.masks.kept for t in found] == [
        plan.kept_at(number, SHAPES) for number in range(len(found))
    ]
    for before, after in itertools.pairwise(found):
        assert after.masks.issubset(before.masks)


@pytest.mark.parametrize("block_size", [(1, 3), (2, 1), (5, 6)])
def test_a_search_in_blocks_is_as_big_as_planned_and_keeps_whole_blocks(block_size):
    plan = Plan(rounds=3, pruning_rate=0.4, block_size=block_size)
    found = [round.ticket.masks for round in searched(plan)]
    assert [m.kept for m in found] == [plan.kept_at(n, SHAPES) for n in range(4)]
    assert all(in_blocks(masks, block_size) for masks in found)


def test_a_round_is_trained_only_when_it_is_asked_for():
    plan = Plan(rounds=5)
    trainer = FakeTrainer(plan)
    for round in run_rounds(trainer, plan):
        if round.number == 2:
            break
    assert trainer.rounds_trained == [0, 1, 2]


def test_the_last_ticket_is_not_pruned_again():
    def never(ticket, outcome):
        raise AssertionError("asked for scores after the last round")

    plan = Plan(rounds=1)
    rounds = run_rounds(FakeTrainer(plan), plan)
    next(rounds), next(rounds)
    object.__setattr__(plan, "criterion", never)
    assert list(rounds) == []


def test_two_searches_of_a_seed_are_equal_and_of_two_seeds_are_not():
    one, two, other = (
        searched(Plan(rounds=2, seed=seed))[-1].ticket.masks for seed in (1, 1, 2)
    )
    assert one == two
    assert one != other


# Where a search ends by itself.


def ending(plan, **trainer):
    """The rounds of a search that ends early, and its one warning."""
    with pytest.warns(UserWarning, match="The search ended") as caught:
        rounds = searched(plan, **trainer)
    assert len(caught) == 1
    return rounds, caught[0]


def test_a_round_that_would_empty_a_layer_ends_the_search_and_names_the_layer():
    def small_logits(path, mask, start):
        return np.full_like(start, 0.1 if path == "logits/kernel" else 1.0)

    plan = Plan(rounds=9, scope="global")
    rounds, warning = ending(plan, train_as=small_logits)
    assert [round.number for round in rounds] == [0]
    assert "round 1 would leave no weight in 'logits/kernel'" in str(warning.message)
    assert "dense" not in str(warning.message)


def test_a_layer_of_one_weight_is_emptied_by_a_high_rate_and_named():
    shapes = {"dense/kernel": (10, 10), "scale/kernel": (1,)}
    rounds, warning = ending(Plan(rounds=3, pruning_rate=0.6), shapes=shapes)
    assert len(rounds) == 1
    assert "'scale/kernel'" in str(warning.message)


def test_a_round_that_would_remove_nothing_ends_the_search_and_names_the_layers():
    shapes = {"a/kernel": (3,), "b/kernel": (2,)}
    rounds, warning = ending(Plan(rounds=9), shapes=shapes)
    # 3 - round(0.6) = 2, and of 2 weights 20 % is none.
    assert [round.ticket.masks.kept for round in rounds] == [5, 4]
    for part in ("round 2 would remove no weight", "'a/kernel' (2 left)", "'b/kernel'"):
        assert part in str(warning.message)


def test_a_layer_too_small_to_lose_a_weight_does_not_end_the_search():
    shapes = {"a/kernel": (100,), "tiny/kernel": (2,)}
    rounds = searched(Plan(rounds=3), shapes=shapes)
    assert [r.ticket.masks.kept_by_layer()["tiny/kernel"] for r in rounds] == [2] * 4
    assert len(rounds) == 4


def test_the_warning_points_at_the_loop_that_ran_the_search():
    plan = Plan(rounds=9)
    with pytest.warns(UserWarning) as caught:
        for _ in run_rounds(FakeTrainer(plan, shapes={"a/kernel": (2,)}), plan):
            pass
    assert caught[0].filename == __file__


def test_the_warning_comes_after_the_last_round_is_handed_out():
    plan = Plan(rounds=9)
    rounds = run_rounds(FakeTrainer(plan, shapes={"a/kernel": (2,)}), plan)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        next(rounds)
    with pytest.warns(UserWarning, match="The search ended"):
        assert list(rounds) == []


def test_nan_weights_stop_the_search_after_the_rounds_that_are_finished():
    def diverges(path, mask, start):
        bad = path == "logits/kernel" and not mask.all()
        return np.full_like(start, np.nan if bad else 1.0)

    plan = Plan(rounds=5, pruning_rate=0.5)
    rounds = run_rounds(FakeTrainer(plan, train_as=diverges), plan)
    assert [next(rounds).number, next(rounds).number] == [0, 1]
    with pytest.raises(ValueError, match="'logits/kernel' hold NaN"):
        next(rounds)


def test_an_unknown_layer_is_an_error_that_names_it():
    with pytest.raises(ValueError, match="'logit'"):
        searched(Plan(rounds=1, layer_rates={"logit": 0.1}))


# The bug museum (PEERS.md).


@pytest.mark.parametrize("retrain", ["rewind", "lr_rewind", "fine_tune"])
def test_bug_of_lottery_ticket_pruner_a_search_prunes_nothing_and_says_nothing(retrain):
    densities = [r.ticket.density for r in searched(Plan(rounds=4, retrain=retrain))]
    assert densities == sorted(set(densities), reverse=True)


def test_bug_of_lightning_13643_every_round_starts_from_the_first_weights():
    rounds = searched(Plan(rounds=4))
    dense = rounds[0].ticket.state
    for round in rounds:
        assert round.ticket.step == 0
        for name in dense:
            assert round.ticket.state[name].tobytes() == dense[name].tobytes()


def test_bug_of_open_lth_a_layer_of_equal_weights_is_wiped():
    plan = Plan(rounds=3)
    rounds = searched(plan, train_as=lambda path, mask, start: np.ones_like(start))
    assert rounds[-1].ticket.masks.kept == plan.kept_at(3, SHAPES)


def test_bug_of_a_pytorch_toy_negative_weights_are_frozen_or_lost():
    def signed(path, mask, start):
        return np.linspace(-1, 1, start.size, dtype="f4").reshape(start.shape)

    last = searched(Plan(rounds=3, pruning_rate=0.3), train_as=signed)[-1]
    weights = last.outcome.weights["dense/kernel"][last.ticket.masks["dense/kernel"]]
    assert abs((weights > 0).sum() - (weights < 0).sum()) <= 1
