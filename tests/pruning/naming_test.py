"""Two builds of one model have the same paths of weights, named or not."""

import pytest

from tests.models import FEATURES, arrays, compiled, keras, layers, tf, tiny
from tf_lottery import Plan, find_ticket
from tf_lottery.export import strip
from tf_lottery.pruning.copying import copy_model
from tf_lottery.pruning.layers import named_weights
from tf_lottery.pruning.wrap import unwrap, wrap
from tf_lottery.training.trainer import Trainer


@keras.saving.register_keras_serializable("naming_test")
class Block(layers.Layer):
    """Parts without names, as in Keras' own examples."""

    def __init__(self, units=FEATURES, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.attention = layers.MultiHeadAttention(2, 3)
        self.inner = keras.Sequential([layers.Dense(6), layers.Dense(units)])
        self.norms = [layers.LayerNormalization(), layers.LayerNormalization()]

    def call(self, x):
        x = self.norms[0](x + self.attention(x, x))
        return self.norms[1](x + self.inner(x))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("naming_test")
class Mix(layers.Layer):
    """No name can be given to it."""

    def __init__(self, units):
        super().__init__()
        self.units = units

    def build(self, shape):
        self.kernel = self.add_weight(name="kernel", shape=(shape[-1], self.units))

    def call(self, x):
        return tf.matmul(x, self.kernel)


def unnamed():
    """Layers, parts and nested models, none with a name."""
    inputs = keras.Input((4, FEATURES))
    x = Block()(Block()(inputs))
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x)
    x = layers.TimeDistributed(layers.Dense(5))(x)
    second, first = Mix(4), Mix(5)
    x = second(first(layers.RNN([layers.LSTMCell(3), layers.GRUCell(4)])(x)))
    nested = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.Dense(3)])
    return keras.Model(inputs, layers.Dense(2)(nested(x)))


@pytest.fixture(scope="module")
def paths():
    return list(named_weights(unnamed()))


def test_every_part_has_its_place_in_a_path(paths):
    assert {
        *("block/multi_head_attention/query/kernel", "block_1/sequential/dense/kernel"),
        *("block/layer_normalization/gamma", "block/layer_normalization_1/gamma"),
        "bidirectional/backward_lstm/lstm_cell/recurrent_kernel",
        *("time_distributed/dense/kernel", "rnn/stacked_rnn_cells/gru_cell/kernel"),
        *("mix/kernel", "mix_1/kernel", "sequential/dense_1/bias", "dense/kernel"),
    } <= set(paths)


def test_a_second_build_and_every_copy_has_the_same_paths(paths):
    model = unnamed()
    copies = [model, copy_model(model), wrap(model), unwrap(wrap(model))]
    copies.append(keras.models.clone_model(model))
    with keras.saving.custom_object_scope({"Block": Block, "Mix": Mix}):
        config = keras.saving.serialize_keras_object(model)
        copies.append(keras.saving.deserialize_keras_object(config))
    assert [list(named_weights(copy)) for copy in copies] == [paths] * len(copies)


def dense(names=(None, None)):
    inner = [layers.Dense(5, name=names[0]), layers.Dense(3, name=names[1])]
    return compiled(keras.Sequential([keras.Input((FEATURES,)), *inner]))


def test_the_issues_example():
    for _ in range(2):
        assert list(Trainer(dense(), arrays(), Plan()).dense().masks) == [
            "dense/kernel",
            "dense_1/kernel",
        ]


def test_a_ticket_of_unnamed_layers_works_everywhere_in_one_process(
    tmp_path, arrays, validation
):
    def model():
        inputs = keras.Input((4, FEATURES))
        x = layers.Flatten()(Block()(inputs))
        metric = keras.metrics.AUC()
        model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))
        model.compile("sgd", "binary_crossentropy", metrics=[metric])
        return model

    x = arrays[0][:, None].repeat(4, 1)
    data = (x, arrays[1][:, None] % 2)
    search = {"validation_data": data, "run_dir": tmp_path, "verbose": 0}
    passed = model()
    ticket = find_ticket(passed, data, rounds=1, **search)
    # Rebuilt, as when a cell of a notebook is run again.
    again = find_ticket(model(), data, rounds=2, **search)
    assert len(again.history) == 3
    loss = ticket.rows[ticket.round]["val_loss"]
    for made in (
        ticket.model("best"),
        ticket.model("best"),
        ticket.apply(passed, "best"),
    ):
        assert made.evaluate(*data, verbose=0)[0] == pytest.approx(loss, rel=1e-5)
    assert ticket.apply(model()).count_params()
    assert strip(ticket).predict(x, verbose=0).shape == (96, 1)
    assert set(again.rows[2]) == set(ticket.rows[1]) >= {"val_auc"}


def test_a_rate_for_a_counted_name_that_is_another_layers_position_is_refused():
    model = dense(("dense_1", "dense_2"))
    with pytest.raises(
        ValueError, match=r"counted.*'dense_1' now.*'dense/bias', 'dense/kernel'"
    ):
        Trainer(model, arrays(), Plan(layer_rates={"dense_1": 0.1}))
    rates = {"dense": 0.1}
    assert Trainer(model, arrays(), Plan(layer_rates=rates)).plan.layer_rates == rates


def test_named_layers_keep_their_names():
    assert next(iter(named_weights(tiny()))) == "hidden/kernel"
