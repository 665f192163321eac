"""Densities of a whole model: which arrays of a state are parameters, and the words."""

import numpy as np
import pytest

from tf_lottery.core import parameters
from tf_lottery.core.masks import Masks
from tf_lottery.core.ticket import Ticket

K = "dense/kernel"
MASKS = Masks({K: np.arange(100) < 64})
WEIGHTS = {
    K: np.ones(100, np.float32),
    "embedding/embeddings": np.ones((30, 10), np.float32),
    "norm/moving_mean": np.zeros(5, np.float32),
    "norm/count": np.int32(3),
    "named:so/bias": np.zeros(2),  # Keras 3 allows a colon in a layer's name
}
OTHERS = {
    "optimizer:momentum": np.zeros(100),
    "random:dropout": np.zeros(2, np.uint32),
    "state:lstm": np.zeros((4, 4)),
    "setting:rate": np.float64(1),
}
TICKET = Ticket(MASKS, {**OTHERS, **WEIGHTS}, round=2)


def test_weights_and_statistics_are_parameters_and_no_other_variable_is():
    assert TICKET.parameters == 100 + 300 + 5 + 1 + 2


def test_what_cannot_be_pruned_is_kept():
    assert TICKET.model_density == pytest.approx((64 + 308) / 408)
    assert Ticket(Masks.full({K: (100,)}), WEIGHTS).model_density == 1


def test_a_ticket_without_its_weights_has_those_of_its_masks():
    ticket = Ticket(MASKS, {})
    assert (ticket.parameters, ticket.model_density) == (100, ticket.density)
    assert Ticket(Masks({}), {}).model_density == 1


def test_a_file_says_the_number_without_its_arrays(tmp_path):
    path = tmp_path / "ticket.safetensors"
    TICKET.save(path)
    loaded = Ticket.load(path)
    path.unlink()
    assert loaded.parameters == TICKET.parameters


def test_a_summary_says_both_densities_where_they_differ():
    assert TICKET.summary().startswith(
        "Ticket of round 2: density 64.0% of the 100 prunable weights, "
        "91.2% of all 408 parameters\n"
    )
    alike = Ticket(MASKS, {K: WEIGHTS[K]})
    assert "density 64.0% of the 100 prunable weights\n" in alike.summary()


def test_densities_differ_noticeably_from_one_point_on():
    assert not parameters.differ(0.50, 0.509)
    assert parameters.differ(0.50, 0.511)
