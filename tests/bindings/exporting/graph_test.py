"""Models in models, layers that are shared, several inputs and outputs."""

import numpy as np
import pytest

from tests.bindings.exporting.compacting import (
    EXACT,
    block,
    checked,
    difference,
    drawn,
    inputs_of,
    no_incoming,
    no_outgoing,
)
from tests.bindings.exporting.subject import KERAS3, compact, keras, layers, outputs_of


def test_nested_models_are_opened():
    inputs = keras.Input((6,))
    x = block("first", 6)(inputs)
    x = layers.Dense(5, name="dense")(x)
    x = keras.Sequential([layers.Dense(6, name="dense")], name="second")(x)
    model = drawn(keras.Model(inputs, block("third")(x)))
    no_outgoing(model, "first/out", 1)
    no_outgoing(model, "dense", 3)
    no_outgoing(model, "third/dense", 4)
    compaction = checked(model)
    assert compaction.dead == {"first/dense": 1, "first/out": 1, "second/dense": 1}


def test_names_of_nested_layers_stay_different():
    inputs = keras.Input((6,))
    x = layers.Dense(6, name="first_dense")(inputs)
    model = drawn(keras.Model(inputs, block("first")(x)))
    no_outgoing(model, "first/out", 1)
    assert compact(model).dead == {"first/dense": 1}


@pytest.mark.parametrize("training", [False, True, None])
def test_the_mode_of_a_nested_model_is_that_of_its_layers(training):
    inputs = keras.Input((6,))
    x = block("first")(inputs, training=training)
    model = drawn(keras.Model(inputs, layers.Dense(3, name="c")(x)))
    no_incoming(model, "first/dense", 1)
    no_outgoing(model, "c", 1)
    # In training mode a call changes the model: it is compared once.
    compaction = compact(model) if training else checked(model)
    assert difference(compaction.model, model, inputs_of(model)) <= EXACT
    if training:  # BatchNorm by the batch's statistics, not by those it has
        assert list(compaction.left) == ["first/norm"]
        assert compaction.dead == {"first/out": 1}
    else:
        assert compaction.dead == {"first/out": 1}
        assert compaction.constant == {"first/dense": 1}
        assert not compaction.left


def test_dropout_that_is_always_on_is_left():
    inputs = keras.Input((6,))
    x = layers.Dense(4, name="a")(inputs)
    x = layers.Dropout(0.5, name="always")(x, training=True)
    model = drawn(keras.Model(inputs, layers.Dense(3, name="b")(x)))
    no_incoming(model, "a", 0)
    compaction = compact(model)
    assert list(compaction.left) == ["always"] and compaction.removed == 0


@pytest.mark.skipif(KERAS3, reason="Keras 3 refuses such a call")
def test_a_nested_model_that_converts_its_inputs_stays_closed():
    inner_input = keras.Input((5, 1))
    x = layers.Conv1D(4, 1, name="a")(inner_input)
    inner = keras.Model(inner_input, layers.Conv1D(2, 1, name="b")(x), name="inner")
    inputs = keras.Input((5,))
    x = layers.Flatten()(inner(inputs))
    model = drawn(keras.Model(inputs, layers.Dense(3, name="c")(x)))
    no_outgoing(model, "inner/b", 1)
    compaction = checked(model)
    assert list(compaction.left) == ["inner"] and compaction.removed == 0


def test_a_nested_model_reads_a_dict_by_its_inputs():
    one, two = keras.Input((5, 3), name="z"), keras.Input((2,), name="y")
    x = layers.GlobalMaxPooling1D()(layers.Dense(4, name="a")(one))
    x = layers.Dense(2, name="b")(layers.Concatenate()([x, two]))
    inner = keras.Model([one, two], x, name="inner")
    inputs = {"y": keras.Input((2,), name="yy"), "z": keras.Input((5, 3), name="zz")}
    model = drawn(keras.Model(inputs, inner(inputs)))
    no_outgoing(model, "inner/b", 1)
    assert checked(model).dead == {"inner/a": 1}


@pytest.mark.slow
def test_a_nested_model_that_is_given_a_mask_stays_closed():
    inner_input = keras.Input((5, 3))
    x = layers.Dense(4, name="a")(inner_input)
    inner = keras.Model(inner_input, layers.LSTM(2, name="b")(x), name="inner")
    inputs = [keras.Input((5, 3)), keras.Input((5,), dtype="bool")]
    x = inner(inputs[0], mask=inputs[1])
    model = drawn(keras.Model(inputs, layers.Dense(3, name="c")(x)))
    values = [inputs_of(inner), np.arange(20).reshape(4, 5) % 3 > 0]
    unmasked = [values[0], np.ones((4, 5), bool)]
    assert (outputs_of(model, values)[0] != outputs_of(model, unmasked)[0]).any()
    compaction = compact(model, drop_inputs=True)
    assert difference(compaction.model, model, values) <= EXACT
    assert list(compaction.left) == ["inner"]


def shared_dense():
    inputs = keras.Input((6,))
    shared = layers.Dense(6, name="shared")
    x = shared(shared(layers.Dense(6, name="a")(inputs)))
    return drawn(keras.Model(inputs, layers.Dense(3, name="b")(x)))


def test_a_layer_called_twice_is_left_and_named():
    model = shared_dense()
    no_outgoing(model, "b", 1)
    no_outgoing(model, "shared", 2)
    compaction = checked(model)
    assert compaction.removed == 0
    assert compaction.left == {"shared": "called more than once"}


def test_a_layer_called_twice_stays_one_layer():
    inputs = keras.Input((6,))
    shared = layers.Dense(6, name="shared")
    x = layers.Dense(5, name="a")(shared(shared(inputs)))
    model = drawn(keras.Model(inputs, layers.Dense(3, name="b")(x)))
    no_outgoing(model, "b", 1)
    compaction = checked(model)
    assert compaction.dead == {"a": 1}
    assert [len(layer.weights) for layer in compaction.model.layers] == [0, 2, 2, 2]


def test_a_layer_without_weights_may_be_called_twice():
    inputs = keras.Input((6,))
    relu, drop = layers.ReLU(), layers.Dropout(0.5)
    x = drop(relu(layers.Dense(5, name="a")(inputs)))
    x = drop(relu(layers.Dense(4, name="b")(x)))
    model = drawn(keras.Model(inputs, layers.Dense(3, name="c")(x)))
    no_outgoing(model, "b", 1, 2)
    no_incoming(model, "b", 1)
    compaction = checked(model)
    assert (compaction.dead, compaction.constant) == ({"a": 2}, {"b": 1})


def test_a_nested_model_called_twice_is_left_and_named():
    inputs = [keras.Input((6,)) for _ in range(2)]
    tower = block("tower")
    x = layers.Add()([tower(each) for each in inputs])
    x = layers.Dense(5, name="c")(x)
    model = drawn(keras.Model(inputs, layers.Dense(3, name="d")(x)))
    no_outgoing(model, "tower/out", 1)
    no_outgoing(model, "d", 1)
    compaction = checked(model)
    assert compaction.dead == {"c": 1}
    assert list(compaction.left) == ["tower/dense", "tower/norm", "tower/out"]


@pytest.mark.parametrize("kind", [list, dict])
def test_several_inputs_and_outputs(kind):
    inputs = {name: keras.Input((6,), name=name) for name in ("x", "y")}
    both = layers.Concatenate()(list(inputs.values()))
    hidden = layers.Dense(5, activation="relu", name="hidden")(both)
    outputs = {
        "q": layers.Dense(3, name="one")(hidden),
        "p": layers.Dense(2, name="two")(hidden),
    }
    if kind is list:
        inputs, outputs = list(inputs.values()), list(outputs.values())
    model = drawn(keras.Model(inputs, outputs))
    no_incoming(model, "hidden", 1)
    compaction = checked(model)
    assert compaction.constant == {"hidden": 1}


def test_a_hidden_layer_that_is_an_output_keeps_its_units():
    inputs = keras.Input((6,))
    hidden = layers.Dense(5, name="a")(inputs)
    model = drawn(keras.Model(inputs, [hidden, layers.Dense(3, name="b")(hidden)]))
    no_outgoing(model, "b", 1)
    no_incoming(model, "a", 2)
    assert checked(model).removed == 0


def test_an_input_that_is_an_output_and_one_that_nothing_uses():
    inputs = [keras.Input((6,), name=name) for name in ("x", "y", "z")]
    x = layers.Dense(5, name="a")(inputs[0])
    model = drawn(keras.Model(inputs, [layers.Dense(3, name="b")(x), inputs[1]]))
    no_outgoing(model, "b", 1)
    compaction = checked(model)
    assert compaction.dead == {"a": 1}


def test_the_kind_of_an_input_stays():
    inputs = keras.Input(batch_shape=(4, 6), dtype="float64", name="x")
    x = layers.Dense(5, name="a")(inputs)
    model = drawn(keras.Model(inputs, layers.Dense(3, name="b")(x)))
    no_outgoing(model, "b", 1)
    (found,) = checked(model).model.inputs
    assert tuple(found.shape) == (4, 6)
    assert getattr(found.dtype, "name", found.dtype) == "float64"


def test_a_subclassed_model_is_an_error():
    class Mine(keras.Model):
        pass

    with pytest.raises(TypeError, match=r"functional or Sequential.*Received: Mine"):
        compact(Mine())


def test_an_unbuilt_model_is_an_error():
    with pytest.raises(TypeError, match="built"):
        compact(keras.Sequential([layers.Dense(3)]))
