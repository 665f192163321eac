"""What a training leaves as it was found: the model, the seeds, the policy."""

import random

import numpy as np
import pytest

from tests.models import (
    arrays,
    batches,
    compiled,
    keras,
    layers,
    tf,
    with_state,
)
from tests.training.trainings import trainer_of, weights_of
from tf_lottery.search.rounds import run_rounds


def test_the_users_model_is_never_changed():
    model = compiled(with_state(), metrics=[keras.metrics.SparseCategoricalAccuracy()])
    model.fit(batches(), verbose=0)
    optimizer = model.optimizer

    def state():
        variables = [*model.variables, *optimizer.variables]
        return [v.numpy() for v in variables] + [
            float(m.result()) for m in model.metrics
        ]

    def attributes():
        return [set(vars(part)) for part in (model, optimizer, *model.layers)]

    before, had, ids = state(), attributes(), [id(la) for la in model.layers]
    *_, last = run_rounds(t := trainer_of(model, validation=batches(32, 1)), t.plan)
    last.ticket.apply(model)
    assert all(np.array_equal(a, b) for a, b in zip(state(), before, strict=True))
    assert attributes() == had
    assert [id(la) for la in model.layers] == ids
    assert model.optimizer is optimizer
    model.fit(batches(), verbose=0)  # and it still works


def test_global_seeds_and_policies_are_left_as_they_were():
    def drawn():
        initial = keras.initializers.GlorotUniform()((3, 3)).numpy()
        dropped = layers.Dropout(0.5)(tf.ones((3, 3)), training=True).numpy()
        stateful = tf.random.uniform((3,)).numpy()
        arrays = [initial, dropped, stateful, np.random.random(3)]
        return [random.random(), *(a.tolist() for a in arrays)]

    keras.utils.set_random_seed(7)
    expected = drawn()
    keras.utils.set_random_seed(7)
    flag = keras.backend.experimental.is_tf_random_generator_enabled()
    trainer = trainer_of(lambda: compiled(with_state()), lambda seed: arrays())
    list(run_rounds(trainer, trainer.plan))
    now = keras.backend.experimental.is_tf_random_generator_enabled()
    assert drawn() == expected
    assert now == flag
    assert keras.mixed_precision.global_policy().name == "float32"


def test_a_model_function_is_called_under_the_seed():
    def make():
        return compiled(
            keras.Sequential([keras.Input((8,)), layers.Dense(3, name="logits")])
        )

    def initial(seed):
        tf.random.uniform(())  # whatever was drawn before
        return trainer_of(make, seed=seed).dense().state["logits/kernel"]

    assert (initial(0) == initial(0)).all()
    assert (initial(0) != initial(1)).any()


@pytest.mark.slow
def test_a_built_model_gives_its_weights_and_its_optimizers_state():
    model = compiled(with_state())
    model.fit(batches(), verbose=0)
    trainer = trainer_of(model)
    state = trainer.dense().state
    assert all((state[n] == w).all() for n, w in weights_of(model).items())
    assert int(trainer.model.optimizer.iterations) == 6
