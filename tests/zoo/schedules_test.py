"""Learning rates that drop at steps, and rise at the beginning."""

import json

import numpy as np
import pytest

from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.zoo.schedules import StepDecay


def at(schedule, *steps):
    return [float(schedule(step)) for step in steps]


def test_the_rate_drops_at_the_steps():
    rates = at(StepDecay(0.1, [20_000, 25_000]), 0, 19_999, 20_000, 24_999, 25_000)
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.01, 0.01, 0.001], rtol=1e-6)


def test_it_rises_from_zero_in_the_warm_up():
    schedule = StepDecay(0.03, [20_000, 25_000], warm_up=20_000)
    rates = at(schedule, 0, 5_000, 19_999, 20_000, 30_000)
    np.testing.assert_allclose(rates, [0, 0.0075, 0.02999850, 0.003, 0.0003], rtol=1e-5)


def test_a_shorter_training_has_it_at_the_same_fractions():
    scaled = StepDecay(0.1, [20_000, 25_000], warm_up=6_000).scaled(1 / 30)
    assert (scaled.drops, scaled.warm_up) == ([667, 833], 200)
    same = StepDecay(0.1, [20, 25])
    assert same.scaled(1).get_config() == same.get_config()
    assert StepDecay(0.1, [20_000, 25_000]).scaled(1 / 30_000).drops == [1, 1]


def test_it_is_written_and_read_with_an_optimizer():
    optimizer = keras.optimizers.SGD(StepDecay(0.1, [5], 2), momentum=0.9)
    config = keras.optimizers.serialize(optimizer)
    again = keras.optimizers.deserialize(config)
    assert again._learning_rate.get_config() == optimizer._learning_rate.get_config()
    assert at(again._learning_rate, 1, 7) == at(optimizer._learning_rate, 1, 7)


@pytest.mark.parametrize(
    "wrong",
    [
        {"learning_rate": 0.0},
        {"learning_rate": 0.1, "drops": [5, 3]},
        {"learning_rate": 0.1, "drops": [0]},
        {"learning_rate": 0.1, "drops": [1.5]},
        {"learning_rate": 0.1, "drops": 5},
        {"learning_rate": 0.1, "warm_up": -1},
        {"learning_rate": 0.1, "factor": 0.0},
    ],
)
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match=r"must be (a list of )?positive"):
        StepDecay(**wrong)


def test_whole_numbers_and_arrays_will_do():
    schedule = StepDecay(1, np.array([5, 7]))
    np.testing.assert_allclose(at(schedule, 0, 5, 7), [1, 0.1, 0.01], rtol=1e-6)
    assert json.loads(json.dumps(schedule.get_config())) == schedule.get_config()
