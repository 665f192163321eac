"""Records are plain values: a row a round, a score a round."""

import json
import math

import numpy as np
import pytest

from tests.fakes import history, outcome
from tf_lottery.core.history import Round
from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import Outcome
from tf_lottery.core.ticket import Ticket

ROUNDS = history([(1.0, 0.9, 50), (0.8, 0.92, 40), (0.64, 0.91, 60)])


def test_a_row_says_density_count_step_metrics_and_seconds():
    ticket = Ticket(Masks({"a": [True, False, False, True]}), {}, round=3)
    result = outcome({}, metrics={"val_loss": 0.3, "test_accuracy": 0.8}, seconds=1.5)
    assert Round(3, ticket, result, 1, "reinit", 2).row() == {
        "replicate": 1,
        "control": "reinit",
        "draw": 2,
        "round": 3,
        "density": 0.5,
        "kept": 2,
        "best_step": 50,
        "val_loss": 0.3,
        "test_accuracy": 0.8,
        "seconds": 1.5,
    }


def test_an_outcome_without_its_arrays_is_plain_and_complete():
    result = outcome({"a": np.ones(2)}, seconds=2.0, curves={"step": (50, 100)})
    record = json.loads(json.dumps(result.record()))
    again = Outcome(result.weights, result.best_weights, **record)
    assert again.record() == result.record()
    assert record["curves"] == {"step": [50, 100]}


def test_a_history_is_the_sequence_of_its_rounds():
    assert len(ROUNDS) == 3
    assert [round.number for round in ROUNDS] == [0, 1, 2]
    assert ROUNDS[-1] is ROUNDS[2] is ROUNDS.replicates[0][2]
    assert ROUNDS[1:] == ROUNDS.replicates[0][1:]
    assert [row["density"] for row in ROUNDS.rows()] == [1.0, 0.8, 0.64]


def test_a_score_is_the_monitored_metric():
    assert [ROUNDS.score(number) for number in range(3)] == [0.9, 0.92, 0.91]


@pytest.mark.parametrize("metrics", [{}, {"val_accuracy": None}])
def test_a_score_that_json_could_not_hold_is_nan(metrics):
    lost = history([(1.0, 0.9, 50)])
    lost[0].outcome.metrics.clear()
    lost[0].outcome.metrics.update(metrics)
    assert math.isnan(lost.score(0))
