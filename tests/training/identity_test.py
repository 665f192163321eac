"""What a training depends on is in its keys, also what is set after `compile`."""

import functools

import numpy as np
import pytest

from tests.models import arrays, compiled, keras, tiny, unseeded
from tf_lottery import Plan, PlanMismatchError, find_ticket
from tf_lottery.run_dir.keys import Keys
from tf_lottery.run_dir.manifest import manifest_of
from tf_lottery.training.trainer import Trainer

DATA = arrays()
SEARCH = {"rounds": 1, "validation_data": DATA, "verbose": 0}


def set_rate(model):
    model.optimizer.learning_rate = 1e-6


def set_momentum(model):
    model.optimizer.beta_1 = 0.5


def set_clipping(model):
    model.optimizer.clipnorm = 0.1


def set_frozen(model):
    model.get_layer("hidden").trainable = False


def set_eager(model):
    model.run_eagerly = True


SETTINGS = [set_rate, set_momentum, set_clipping, set_frozen, set_eager]


@pytest.mark.first_case
@pytest.mark.parametrize("change", SETTINGS, ids=lambda change: change.__name__)
def test_what_is_set_after_compile_makes_it_another_search(tmp_path, change):
    model = compiled(tiny(), "adam")
    find_ticket(model, DATA, run_dir=tmp_path, **SEARCH)
    change(model)
    with pytest.raises(PlanMismatchError, match=r"optimizer|hidden|run_eagerly"):
        find_ticket(model, DATA, run_dir=tmp_path, **SEARCH)


def key(model):
    trainer = Trainer(model, DATA, Plan(rounds=1))
    facts = manifest_of(
        trainer.plan, trainer.facts["architecture"], trainer.facts["data"]
    )
    return Keys(facts).key(trainer.dense(), trainer.plan)


def test_trainings_that_differ_in_the_optimizers_values_are_not_shared():
    def with_values(change):
        model = compiled(tiny(), "adam")
        model.optimizer.build(model.trainable_variables)
        change(model.optimizer)
        return model

    changes = [
        lambda optimizer: None,
        lambda optimizer: setattr(optimizer, "learning_rate", 1e-6),
        lambda optimizer: optimizer.iterations.assign(3),
        lambda optimizer: optimizer._momentums[0].assign_add(
            np.ones_like(optimizer._momentums[0])
        ),
    ]
    keys = []
    for change in changes:
        keys.append(key(with_values(change)))
    assert len(set(keys)) == len(keys)
    assert key(with_values(changes[0])) == keys[0]


def test_a_rate_set_after_compile_trains_and_is_restored():
    model = compiled(tiny(), "adam")
    set_rate(model)
    ticket = find_ticket(model, DATA, **SEARCH)
    for weights in ("initial", "best"):
        rate = ticket.model(weights).optimizer.learning_rate.numpy()
        assert rate == np.float32(1e-6)
    start, end = ticket.state, ticket.outcome.weights
    moved = np.abs(end["logits/bias"] - start["logits/bias"]).max()
    assert 0 < moved < 1e-4


@pytest.mark.first_case
@pytest.mark.parametrize(
    "optimizer",
    [
        keras.optimizers.Adam(0.01, amsgrad=True),
        keras.optimizers.SGD(0.01, momentum=0.9, use_ema=True),
        keras.optimizers.Adafactor(0.01),
        keras.optimizers.legacy.Adam(0.01),
        keras.mixed_precision.LossScaleOptimizer(keras.optimizers.RMSprop(0.01)),
    ],
    ids=lambda optimizer: type(optimizer).__name__,
)
def test_a_trained_models_optimizer_goes_on_where_it_was(optimizer):
    """Training the dense ticket is going on with Keras' `fit`, bit for bit."""
    model = compiled(tiny(), optimizer)
    model.fit(*DATA, shuffle=False, verbose=0)
    with pytest.warns(UserWarning, match="was trained already, for 3 steps"):
        trainer = Trainer(model, batches(), Plan(rounds=1))
    outcome = trainer.train(trainer.dense())
    model.fit(batches(), verbose=0)
    assert int(model.optimizer.iterations) == 3 + 6
    kernel = model.get_layer("hidden").kernel.numpy()
    assert np.array_equal(outcome.weights["hidden/kernel"], kernel)


def batches():
    from tests import models

    return models.batches()


def test_pruning_a_trained_network_is_asked_for(recwarn):
    model = compiled(tiny())
    model.fit(*DATA, verbose=0)
    Trainer(model, DATA, Plan(rounds=1, retrain="fine_tune"))
    Trainer(lambda: compiled(unseeded()), DATA, Plan(rounds=1))
    assert not [w for w in recwarn if "trained already" in str(w.message)]


def test_a_sweep_over_a_rate_set_after_compile_compiles_each_model():
    from tf_lottery.tuner.trainers import Trainers

    def model(rate):
        made = compiled(tiny(), "adam")
        made.optimizer.learning_rate = rate
        return made

    makes = [functools.partial(model, rate) for rate in (1e-3, 1e-6, 1e-3)]
    keys = [Trainers(None).key(make, Plan()) for make in makes]
    assert keys[0] == keys[2] != keys[1]
