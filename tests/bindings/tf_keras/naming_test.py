"""Two builds of one model have the same paths of weights, named or not."""

import pytest

from tests.models import FEATURES, arrays, compiled, keras, layers, tf, tiny
from tf_lottery import Plan, find_ticket
from tf_lottery.bindings.tf_keras.copying.copier import copy_model
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.bindings.tf_keras.tfmot.wrap import unwrap, wrap
from tf_lottery.export import strip
from tf_lottery.run_dir.manifest import manifest_of
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


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_layers_that_were_made_between_others_have_the_same_paths_in_each_build():
    def build():
        first = layers.Dense(5)
        keras.Sequential([keras.Input((FEATURES,)), layers.Dense(4), layers.Dense(4)])
        model = keras.Sequential([keras.Input((FEATURES,)), first, layers.Dense(3)])
        return list(named_weights(model))

    assert build()[::2] == build()[::2] == ["dense/kernel", "dense_1/kernel"]


@keras.saving.register_keras_serializable("naming_test")
class Late(layers.Layer):
    """One part is made with the layer, the other one when it is built."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = layers.Dense(FEATURES)

    def build(self, shape):
        self.second = layers.Dense(FEATURES)
        super().build(shape)

    def call(self, x):
        return self.second(self.first(x))


def test_parts_that_are_made_when_a_layer_is_built_have_their_places():
    def build():
        blocks = [Late() for _ in range(3)]
        return keras.Sequential([keras.Input((FEATURES,)), *blocks, layers.Dense(3)])

    paths = list(named_weights(build()))
    assert "late_2/dense_1/kernel" in paths
    for model in (build(), copy_model(build()), keras.models.clone_model(build())):
        model(arrays()[0][:2])
        assert list(named_weights(model)) == paths


@keras.saving.register_keras_serializable("naming_test")
class Ranged(layers.Layer):
    """Calls a weight by its own name, as layers of quantization do."""

    def build(self, shape):
        self.kernel = self.add_weight(name=f"{self.name}_min", shape=())

    def call(self, x):
        return x - self.kernel


def test_a_weight_that_is_called_after_its_layer_has_one_name_in_all_builds():
    def build():
        model = keras.Sequential([keras.Input((FEATURES,)), Ranged(), Ranged()])
        return list(named_weights(model))

    assert build() == build() == ["ranged/ranged_min", "ranged_1/ranged_min"]


@pytest.mark.parametrize("between", [0, 1])
def test_a_nested_model_whose_layers_were_made_last_first_is_the_same_model(between):
    def build():
        nested = [layers.Dense(3), layers.Dense(5)][::-1]
        inner = keras.Sequential([keras.Input((FEATURES,)), *nested])
        layers.Dense(1) if between else None
        outer = [layers.Dense(4), layers.Dense(6)][::-1]
        return compiled(keras.Sequential([keras.Input((FEATURES,)), inner, *outer]))

    found = [Trainer(build(), arrays(), Plan()).facts["architecture"] for _ in range(3)]
    keras.backend.clear_session()
    found.append(Trainer(build(), arrays(), Plan()).facts["architecture"])
    assert len({manifest_of(Plan(), each, {})["architecture"] for each in found}) == 1


def test_numbers_that_say_sizes_were_given():
    model = dense(("dense_5", "dense_3"))
    assert "dense_5/kernel" in named_weights(model)
    assert "dense_5/kernel" in named_weights(copy_model(model))


def test_named_layers_keep_their_names():
    assert next(iter(named_weights(tiny()))) == "hidden/kernel"
