"""Criteria on weights small enough to rank by eye."""

import dataclasses

import ml_dtypes
import numpy as np
import pytest

from tests.fakes import outcome
from tf_lottery.core import criteria
from tf_lottery.core.choices import CRITERIA
from tf_lottery.core.masks import Masks
from tf_lottery.core.plan import Plan
from tf_lottery.core.prune import prune
from tf_lottery.core.ticket import Ticket

START = {"k": np.float32([1.0, -4.0, 0.5, 0.0]), "bias": np.float32([9.0])}
END = {"k": np.float32([-1.0, -5.0, 2.0, 0.25]), "bias": np.float32([7.0])}
TICKET = Ticket(Masks.full({"k": (4,)}), START, plan=Plan(seed=3))


@pytest.mark.parametrize(
    ("name", "scores"),
    [
        ("magnitude", [1, 5, 2, 0.25]),
        ("initial_magnitude", [1, 4, 0.5, 0]),
        ("magnitude_increase", [0, 1, 1.5, 0.25]),
        ("movement", [2, 1, 1.5, 0.25]),
    ],
)
def test_scores_are_what_the_name_says(name, scores):
    found = criteria.get(name)(TICKET, outcome(END, best_weights=START))
    assert found["k"].tolist() == scores


def test_a_plan_knows_the_names_of_all_criteria():
    assert tuple(criteria.NAMES) == CRITERIA


@pytest.mark.parametrize("name", CRITERIA)
def test_only_what_has_a_mask_is_scored(name):
    assert set(criteria.get(name)(TICKET, outcome(END))) == {"k"}


@pytest.mark.parametrize("name", CRITERIA)
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ml_dtypes.bfloat16])
def test_scores_of_every_float_can_be_pruned_by(name, dtype):
    start, end = ({"k": w["k"].astype(dtype)} for w in (START, END))
    ticket = Ticket(TICKET.masks, start)
    scores = criteria.get(name)(ticket, outcome(end))
    assert prune(ticket.masks, scores, 0.5).kept == 2


def _random(**changes):
    return criteria.random(dataclasses.replace(TICKET, **changes), outcome(END))["k"]


def test_random_scores_repeat_with_seed_and_round():
    assert (_random() == _random()).all()
    assert (_random() != _random(round=1)).any()
    assert (_random() != _random(plan=Plan(seed=4))).any()


def test_random_scores_differ_between_layers():
    ticket = Ticket(Masks.full({"a": (9,), "b": (9,)}), {})
    scores = criteria.random(ticket, outcome({}))
    assert (scores["a"] != scores["b"]).any()


def test_random_scores_leave_the_global_generator_alone():
    np.random.seed(0)
    expected = np.random.random()
    np.random.seed(0)
    _random()
    assert np.random.random() == expected


def test_a_callable_is_its_own_criterion():
    assert criteria.get(criteria.movement) is criteria.movement
    assert criteria.get(max) is max


def test_an_unknown_name_is_an_error_that_lists_the_known():
    with pytest.raises(ValueError, match=r"`criterion`.*'magnitude'.*'magnitud'"):
        criteria.get("magnitud")


def test_bug_of_a_pytorch_toy_negative_weights_count_as_small():
    scores = criteria.magnitude(TICKET, outcome(END))
    kept = prune(TICKET.masks, scores, 0.5)
    assert kept["k"].tolist() == [False, True, True, False]
