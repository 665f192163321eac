"""Stateful recurrent layers: what they carry from batch to batch is rewound, too."""

import numpy as np
import pytest

import tf_lottery
from tests.fakes import Killed
from tests.models import CLASSES, compiled, equal, keras, layers, tf
from tests.training.trainings import Kill, assert_same_rounds, trainer_of
from tf_lottery.bindings.tf_keras.states import recurrent_states
from tf_lottery.search.rounds import run_rounds


def network(both=False):
    recurrent = layers.LSTM(3, stateful=True, name="lstm")
    if both:
        recurrent = layers.Bidirectional(recurrent, name="both")
    keras.utils.set_random_seed(1)
    return compiled(
        keras.Sequential(
            [
                keras.Input((5, 4), batch_size=8),
                recurrent,
                layers.Dense(CLASSES, name="logits"),
            ]
        )
    )


def sequences(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((32, 5, 4)).astype(np.float32)
    return tf.data.Dataset.from_tensor_slices((x, x[:, 0, :CLASSES].argmax(1))).batch(8)


def trainer(**plan):
    return trainer_of(network(), sequences(), sequences(seed=1), **plan)


@pytest.mark.first_case
@pytest.mark.parametrize("both", [False, True])
def test_each_round_begins_with_the_state_of_the_first(both):
    model = network(both)
    of = trainer_of(model, sequences(), sequences(seed=1))
    dense = of.dense()
    first, again = of.train(dense), of.train(dense)
    assert equal(first.weights, again.weights)
    assert first.curves == again.curves
    carried = {name for name in dense.state if name.startswith("state:")}
    assert len(carried) == (4 if both else 2)
    assert not any(dense.state[name].any() for name in carried)
    assert all(state.numpy().any() for state in recurrent_states(of.model).values())


@pytest.mark.slow
def test_a_late_rewind_returns_the_state_of_its_step():
    *_, last = run_rounds(trainer(rounds=1, steps=8, rewind_to=3), trainer().plan)
    assert last.ticket.step == 3
    assert last.ticket.state["state:lstm"].any()


@pytest.mark.slow
def test_evaluation_depends_on_weights_alone_and_leaves_the_training_as_it_was():
    often, seldom = trainer(steps=8, evaluate_every=2), trainer(steps=8)
    found = [of.train(of.dense()) for of in (often, seldom)]
    assert equal(found[0].weights, found[1].weights)
    ticket, weights = often.dense(), found[0].weights
    once = often.evaluate(ticket, weights)
    often.train(ticket)
    assert often.evaluate(ticket, weights) == once
    assert once["val_loss"] == found[0].curves["val_loss"][-1]


@pytest.mark.slow
def test_a_search_that_was_killed_ends_as_one_that_was_not(tmp_path):
    def find(**arguments):
        return tf_lottery.find_ticket(
            network,
            sequences(),
            2,
            epochs=3,
            validation_data=sequences(seed=1),
            verbose=0,
            **arguments,
        )

    directory = tmp_path / "killed"
    with pytest.raises(Killed):
        find(run_dir=directory, callbacks=[Kill("on_epoch_begin", 2)])
    killed, whole = find(run_dir=directory), find()
    assert_same_rounds(killed.history, whole.history)


@pytest.mark.slow
def test_the_model_of_a_ticket_can_reset_its_states():
    of = trainer()
    *_, last = run_rounds(of, of.plan)
    model = last.trained.model("best")
    x = next(iter(sequences()))[0]
    first, second = model.predict(x, verbose=0), model.predict(x, verbose=0)
    assert (first != second).any()
    model.reset_states()
    assert (model.predict(x, verbose=0) == first).all()


def test_only_stateful_layers_have_a_state():
    plain = keras.Sequential([keras.Input((5, 4)), layers.LSTM(3)])
    assert recurrent_states(plain) == {}
