"""A training is Keras' `fit`, bit for bit, and one model serves all rounds."""

import time

import numpy as np
import pytest

from tests.models import (
    BATCH,
    arrays,
    batches,
    compiled,
    equal,
    keras,
    tf,
    tiny,
    with_state,
)
from tests.training.trainings import trainer_of, weights_of
from tf_lottery.core.data import Data
from tf_lottery.search.rounds import run_rounds

slow = pytest.mark.slow
Adam = keras.optimizers.Adam


# As Keras `fit`.


@pytest.mark.first_case
@pytest.mark.parametrize("evaluate_every", [None, 2, pytest.param(4, marks=slow)])
def test_the_dense_round_is_fit_bit_for_bit(evaluate_every):
    model, data = compiled(with_state(dropout=0.0)), batches(32, seed=1)
    trainer = trainer_of(model, validation=data, evaluate_every=evaluate_every)
    outcome = trainer.train(trainer.dense())
    ours = trainer.model.history.history
    theirs = model.fit(batches(), epochs=2, validation_data=data, verbose=0).history
    assert equal(outcome.weights, weights_of(model))
    assert ours["loss"] == theirs["loss"]
    assert ours["accuracy"] == theirs["accuracy"]
    if evaluate_every is None:
        assert {k: v for k, v in ours.items() if k != "round"} == theirs


@pytest.mark.slow
def test_sample_weights_and_weighted_metrics_are_those_of_fit():
    weights = np.linspace(0, 1, 96, dtype=np.float32)
    data = tf.data.Dataset.from_tensor_slices((*arrays(), weights)).batch(BATCH)
    model = compiled(tiny(), weighted_metrics=["accuracy"])
    trainer = trainer_of(model, data, validation=data)
    outcome = trainer.train(trainer.dense())
    model.fit(data, epochs=2, verbose=0)
    assert equal(outcome.weights, weights_of(model))
    found = {k[4:]: v for k, v in outcome.metrics.items() if k.startswith("val_")}
    assert found == model.evaluate(data, verbose=0, return_dict=True)


@pytest.mark.parametrize("every", [None, pytest.param(2, marks=slow)])
def test_averages_of_weights_end_as_in_fit(every):
    """Keras' `fit` ends with the averaged weights where the optimizer keeps them."""
    optimizer = Adam(0.05, use_ema=True, ema_overwrite_frequency=every)
    model = compiled(tiny(), optimizer)
    trainer = trainer_of(model)
    outcome = trainer.train(trainer.dense())
    model.fit(batches(), epochs=2, verbose=0)
    assert equal(outcome.weights, weights_of(model))


# One model serves all rounds.


@pytest.mark.first_case
@pytest.mark.parametrize(
    "kind", ["arrays", "dataset", pytest.param("endless", marks=slow)]
)
def test_nothing_is_traced_again(kind):
    data = {
        "arrays": arrays(90),
        "dataset": batches(90),
        "endless": batches(90).repeat(),
    }[kind]
    trainer = trainer_of(
        compiled(with_state()),
        data,
        validation=batches(32, 1),
        evaluate_every=4,
        steps=8,
        steps_per_epoch=6,
        rewind_to=3,
        rounds=3,
        batch_size=BATCH if kind == "arrays" else None,
    )
    list(run_rounds(trainer, trainer.plan))
    assert trainer.traces == 1


def test_training_a_ticket_twice_gives_the_same():
    """Nothing is left over from the training before."""
    trainer = trainer_of(compiled(with_state()), validation=batches(32, 1))
    first, *_ = run_rounds(trainer, trainer.plan)
    again = trainer.train(first.ticket)
    assert equal(again.weights, first.outcome.weights)
    assert again.curves == first.outcome.curves


def test_a_rewind_brings_the_dense_training_back_bit_for_bit():
    """From step k with full masks, the rest of the training repeats itself."""
    trainer = trainer_of(compiled(with_state()), rewind_to=4, batch_size=None)
    dense = trainer.dense()
    outcome = trainer.train(dense)
    step, state = outcome.next_start
    assert step == 4
    again = trainer.train(
        type(dense)(dense.masks, state, step, round=1, plan=trainer.plan)
    )
    assert equal(again.weights, outcome.weights)


@pytest.mark.slow
def test_the_seconds_of_a_training_hold_all_its_evaluations():
    def slowly(label):
        time.sleep(1.0)
        return label

    def wait(x, y):
        return x, tf.ensure_shape(tf.numpy_function(slowly, [y], y.dtype), y.shape)

    data = Data(batches(), test=batches(16).map(wait))
    trainer = trainer_of(compiled(tiny()), data)
    trainer.train(trainer.dense())  # traces, which takes seconds, too
    assert trainer.train(trainer.dense()).seconds > 1.0


def test_a_step_is_traced_once_and_is_a_method_to_callbacks():
    data = arrays(32, seed=1)
    trainer = trainer_of(compiled(tiny()), arrays(), data)
    trainer.train(trainer.dense())
    engine = trainer._prepared.searched.engine
    counts = [f.experimental_get_tracing_count() for f in engine._steps.values()]
    assert counts == [1, 1]
    assert not {"train_step", "test_step"} & vars(engine.model).keys()
