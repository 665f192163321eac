"""What would not be the ticket is refused, and nothing is written."""

import dataclasses

import numpy as np
import pytest

from tests.export.exporting import (
    X,
    exported,
    run,
    search,
)
from tests.models import keras, layers, tf, tiny, with_state
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.core.errors import ExportError, TicketError
from tf_lottery.export.finish import _check_sparsity
from tf_lottery.export.job import Job
from tf_lottery.export.options import Options
from tf_lottery.export.stored import stored

pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket matches")


def refused(source, path, match, error=ExportError, **options):
    before = sorted(path.iterdir())
    with pytest.raises(error, match=match):
        exported(source, path, "packed", **options)
    assert sorted(path.iterdir()) == before


def test_a_pruned_weight_that_is_not_zero(ticket, tmp_path):
    model = ticket.model("best")
    kernel = named_weights(model)["hidden/kernel"]
    kernel.assign(np.ones(kernel.shape))
    refused(model, tmp_path, r"must be exactly zero. \d+ of 'hidden/kernel'")
    outcome = dataclasses.replace(
        ticket.outcome,
        best_weights={p: np.ones_like(w) for p, w in ticket.outcome.weights.items()},
    )
    wrong = dataclasses.replace(ticket, outcome=outcome)
    refused(wrong, tmp_path, "must be exactly zero")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_not_finite(ticket, tmp_path, value):
    spoiled = dict(ticket.outcome.best_weights)
    spoiled["logits/bias"] = np.float32([0, value, 0])
    outcome = dataclasses.replace(ticket.outcome, best_weights=spoiled)
    wrong = dataclasses.replace(ticket, outcome=outcome)
    refused(wrong, tmp_path, "must be finite.*'logits/bias'")
    model = tiny()
    model.layers[0].bias.assign([value] * 5)
    refused(model, tmp_path, "must be finite")


def test_a_ticket_that_was_not_trained(ticket, tmp_path):
    untrained = ticket.history[2].ticket
    refused(untrained, tmp_path, "not trained", TicketError)
    exported(untrained, tmp_path, "keras", weights="initial")


def test_a_ticket_without_its_architecture(ticket, answers, tmp_path):
    bare = dataclasses.replace(ticket, architecture=None, origin=None)
    refused(bare, tmp_path, r"ticket\.export\(path, model=model\)", TicketError)
    applied = bare.apply(with_state(), "best")
    path, _ = exported(applied, tmp_path, "keras")
    np.testing.assert_allclose(run(path, X), answers["best"], atol=1e-6)


def test_weights_that_there_are_not(ticket, tmp_path):
    refused(ticket, tmp_path, "`weights` must be one of", ValueError, weights="worst")


def test_what_is_neither_a_ticket_nor_a_model(tmp_path):
    refused("ticket.safetensors", tmp_path, "must be a ticket or a Keras", TypeError)


def test_onnx_of_tf_keras_is_refused(ticket, tmp_path):
    with pytest.raises(ExportError, match="must be of a Keras 3 model"):
        ticket.export(tmp_path / "ticket.onnx")
    assert not list(tmp_path.iterdir())


def test_options_of_another_format(ticket, tmp_path):
    refused(ticket, tmp_path, "'saved_model'.*quantize", TypeError, quantize="int8")
    refused(ticket, tmp_path, "latency_runs", ValueError, latency_runs=-1)
    with pytest.raises(ValueError, match="'packed', 'dense'"):
        ticket.export(tmp_path / "ticket", layout="sparse")
    with pytest.raises(ValueError, match=r"must end in .keras"):
        ticket.export(tmp_path / "ticket", format="keras")


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3)

    def call(self, x):
        return self.dense(x)


def test_models_that_cannot_be_copied_or_pruned(tmp_path):
    called = Subclassed()
    called(np.ones((2, 8)))
    refused(called, tmp_path, "Sequential or functional")
    refused(keras.Sequential([layers.Dense(3)]), tmp_path, "must be a built")
    without = keras.Sequential([keras.Input((8,)), layers.ReLU()])
    refused(without, tmp_path, "must have a matrix")


def test_a_model_that_keras_cannot_read_back(tmp_path):
    layer, x = layers.Dense(8), keras.Input((8,))
    inner = keras.Sequential([keras.Input((8,)), layer, layers.Dense(8)])
    shared = keras.Model(x, layers.Add()([layer(x), inner(x)]))
    with pytest.raises(ExportError, match=r'cannot: .*format="saved_model"'):
        exported(shared, tmp_path, "keras")
    assert not list(tmp_path.iterdir())
    exported(shared, tmp_path, "packed")


def test_a_model_that_answers_otherwise_each_time(tmp_path):
    late = layers.Lambda(lambda x: x + tf.cast(tf.timestamp() % 1000, tf.float32))
    model = keras.Sequential([keras.Input((8,)), late, layers.Dense(3)])
    refused(model, tmp_path, "must give the ticket's outputs")


def test_lambda_layers_need_their_switch(tmp_path):
    double = layers.Lambda(lambda x: 2 * x)
    model = keras.Sequential([keras.Input((8,)), double, layers.Dense(3)])
    path, _ = exported(model, tmp_path, "packed")
    np.testing.assert_allclose(run(path, X), model(X), atol=1e-6)
    with pytest.raises(ExportError, match=r"cannot: .*safe_mode"):
        exported(model, tmp_path, "keras")
    exported(model, tmp_path, "keras", safe_mode=False)


class Twice(layers.Layer):
    """Not registered."""

    def call(self, x):
        return 2 * x


def test_layers_that_are_not_registered_are_given(tmp_path):
    model = keras.Sequential([keras.Input((8,)), Twice(), layers.Dense(3)])
    found = search(model, rounds=1, epochs=1)
    alone = dataclasses.replace(found, origin=None)
    refused(alone, tmp_path, r"Twice.*custom_objects", TicketError)
    for format in ("packed", "keras"):
        exported(alone, tmp_path, format, custom_objects={"Twice": Twice})
    _, card = exported(found, tmp_path, "keras", overwrite=True)
    assert '"Twice": ' in card.notes[-1]


def test_a_file_with_more_weights_than_the_ticket_is_refused(ticket, tmp_path):
    work = Job.of(ticket, tmp_path / "ticket", Options())
    values = np.ones(1000)
    with pytest.raises(ExportError, match="must be as sparse as the ticket"):
        _check_sparsity(work, [stored("extra", values.shape, "dense", values)])
