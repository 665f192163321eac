"""Controls of the masks: as many weights, elsewhere."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tests.core.controlling import (
    SHUFFLED,
    applied,
    pruned,
    seeds,
    tickets,
)
from tests.fakes import FakeTrainer
from tests.strategies import blocked_scores, in_blocks
from tf_lottery.core import controls
from tf_lottery.core.controls import Context
from tf_lottery.core.masks import Masks
from tf_lottery.core.next_ticket import prune_ticket
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import Ticket


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
    pruned().save(tmp_path / "ticket.safetensors")
    with pytest.raises(ValueError, match="or from a file"):
        applied("shuffle", Ticket.load(tmp_path / "ticket.safetensors"))


def test_weights_that_start_from_zero_are_known():
    ticket = Ticket(Masks({"k": np.arange(9) < 4}), {"k": np.zeros(9)})
    assert controls.shuffle(ticket, Context(0)).masks.kept == 4
