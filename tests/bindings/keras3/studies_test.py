"""Controls, replicates, schedules, studies and sweeps on each backend."""

import random

import keras
import numpy as np
import pytest

from tests.bindings.keras3 import models
from tf_lottery import (
    Plan,
    Trainer,
    find_rewind_point,
    find_ticket,
    gradient,
    instability,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:No ticket|The ticket|Without|No verdict|A control"
)
slow = pytest.mark.slow
VALIDATION = models.arrays(32, seed=1)


def made():
    return models.compiled(models.tiny())


def search(model, **more):
    options = {"epochs": 1, "validation_data": VALIDATION, "verbose": 0, **more}
    return find_ticket(model, models.arrays(), 1, **options)


CONTROLS = ["reinit", "reinit_same_sign", "shuffle", "random_mask"]


@pytest.mark.parametrize("model", [made, lambda: made], ids=["model", "function"])
def test_controls_train_for_each_replicate(model):
    found = search(model(), controls=CONTROLS, replicates=2).history
    trainings = list(found.trainings())
    assert len(trainings) == 2 * (2 + len(CONTROLS))
    dense = [each for each in trainings if each.number == 0]
    first, second = (each.ticket.state["hidden/kernel"] for each in dense)
    assert not np.array_equal(first, second)
    digests = {
        (each.control, each.replicate): each.ticket.masks.digest()
        for each in trainings
        if each.number
    }
    for replicate in (0, 1):
        assert digests["reinit", replicate] == digests[None, replicate]
        assert digests["shuffle", replicate] != digests[None, replicate]


def test_equal_searches_give_equal_bits_and_other_seeds_other_ones():
    def weights(**more):
        random.seed()  # what the model itself is drawn from makes no difference
        return search(made, **more).outcome.weights

    first, second, other = weights(), weights(), weights(seed=1)
    names = sorted(first)
    assert models.equal(*([each[n] for n in names] for each in (first, second)))
    assert not models.equal(*([each[n] for n in names] for each in (first, other)))


def test_the_gradient_of_the_loss_is_a_criterion():
    model = made()
    x, y = models.arrays(8)
    found = search(model, criterion=gradient(model, (x, y)))
    assert found.masks.density < 1


@pytest.mark.parametrize("retrain", ["fine_tune", "lr_rewind"])
def test_a_schedule_is_followed(retrain):
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([3], [0.1, 0.01])
    model = models.compiled(models.tiny(), keras.optimizers.SGD(rate))
    found = search(model, retrain=retrain)
    first = found.history[1].ticket
    assert int(first.state["optimizer:iteration"]) == (retrain == "fine_tune") * 3
    assert found.round == 1


def test_trainings_are_shared_by_searches(tmp_path):
    options = {"share_with": tmp_path / "shared"}
    one = search(made, run_dir=tmp_path / "one", **options)
    kept = sorted((tmp_path / "shared").glob("trainings/*"))
    other = search(made, run_dir=tmp_path / "other", controls="reinit", **options)
    assert len(kept) == 2
    assert len(sorted((tmp_path / "shared").glob("trainings/*"))) == 3
    assert one.masks == other.masks


def test_the_instability_of_a_network_is_measured():
    trainer = Trainer(made(), models.arrays(), Plan(), validation_data=VALIDATION)
    found = instability(trainer, trainer.dense(), points=3, verbose=0)
    assert np.isfinite(found.value)


@slow
def test_a_point_to_rewind_to_is_looked_for(tmp_path):
    found = find_rewind_point(
        made,
        models.arrays(),
        candidates=[0, 2],
        points=3,
        epochs=2,
        validation_data=VALIDATION,
        run_dir=tmp_path,
        verbose=0,
    )
    assert found.tried
    assert all(np.isfinite(each.value) for each in found.tried)


@slow
def test_a_sweep_searches_with_each_choice(tmp_path):
    tuner = pytest.importorskip("keras_tuner")
    import tf_lottery

    objective = tf_lottery.lottery_objective("smallest_winning_density")
    oracle = tuner.oracles.GridSearchOracle(objective=objective)
    swept = tf_lottery.LotteryTuner(
        oracle,
        lambda hp: made(),
        space=tf_lottery.choices_of({"pruning_rate": (0.2, 0.5)}),
        directory=tmp_path,
        project_name="sweep",
    )
    data = models.arrays()
    swept.search(data, rounds=1, epochs=1, validation_data=VALIDATION, verbose=0)
    assert len(swept.sweep().trials) == 2
