"""Which layers units are followed through: for every rule a model made for it."""

import numpy as np
import pytest

from tests.bindings.exporting.compacting import (
    CONVOLUTIONS,
    EXACT,
    ONE_EACH,
    between,
    chain,
    checked,
    difference,
    drawn,
    no_incoming,
    no_outgoing,
)
from tests.bindings.exporting.subject import KERAS3, compact, graph, keras, layers
from tf_lottery.bindings.shared.exporting.units import analyse

functions = graph.ELEMENTWISE[1]  # of TensorFlow, or of Keras 3


@pytest.mark.parametrize("shape", [(6,), (5, 2), (4, 4, 2), (3, 3, 3, 2)], ids=len)
@pytest.mark.parametrize(
    "arguments", [{}, {"scale": False}, {"center": False}], ids=str
)
def test_constants_go_through_batch_norm(shape, arguments):
    model = between(shape, layers.BatchNormalization(name="norm", **arguments))
    compaction = checked(model)
    assert (compaction.dead, compaction.constant) == ONE_EACH
    assert compaction.model.get_layer("norm").moving_mean.shape == (2,)


def test_batch_norm_of_another_axis_is_left():
    model = between((4, 4, 2), layers.BatchNormalization(axis=1, name="norm"))
    assert list(checked(model).left) == ["norm"]


ALONE = [
    layers.ReLU(max_value=0.5, negative_slope=0.1),
    layers.LeakyReLU(0.2),
    layers.ELU(),
    *([] if KERAS3 else [layers.ThresholdedReLU(0.1)]),
    layers.Dropout(0.5),
    layers.AlphaDropout(0.5),
    layers.GaussianDropout(0.5),
    layers.GaussianNoise(0.5),
    layers.ActivityRegularization(0.1),
    layers.Identity(),
    *(
        layers.Activation(name)
        for name in (
            *("elu", "exponential", "gelu", "hard_sigmoid", "linear", "mish", "relu"),
            *("selu", "sigmoid", "softplus", "softsign", "swish", "tanh"),
        )
    ),
    layers.Activation(functions.relu),
    layers.Activation(functions.relu6),
    layers.Activation(functions.leaky_relu),
    layers.Activation(functions.silu),
]


def label(layer):
    if isinstance(layer, layers.Activation):
        return f"{layer.activation.__module__}.{layer.activation.__name__}"
    return type(layer).__name__


@pytest.mark.parametrize("layer", ALONE, ids=label)
def test_units_go_through_what_treats_them_alone(layer):
    model = between((6,), type(layer).from_config(layer.get_config()))
    compaction = checked(model)
    assert (compaction.dead, compaction.constant) == ONE_EACH
    assert not compaction.left


def called(activation):
    """Equal in every process, which an address is not."""
    return (
        f"functions.{activation.__name__}" if callable(activation) else str(activation)
    )


@pytest.mark.parametrize(
    "activation",
    [
        *("elu", "exponential", "gelu", "hard_sigmoid", "linear", "mish", "relu"),
        *("selu", "sigmoid", "softplus", "softsign", "swish", "tanh", None),
        *(functions.relu, functions.relu6, functions.leaky_relu),
        *(functions.silu, functions.tanh),
    ],
    ids=called,
)
def test_units_go_through_activations_that_are_arguments(activation):
    model = chain(
        (6,),
        layers.Dense(4, activation=activation, name="a"),
        layers.Dense(3, name="b"),
    )
    no_incoming(model, "a", 0)
    no_outgoing(model, "b", 1)
    compaction = checked(model)
    assert (compaction.dead, compaction.constant) == ONE_EACH


@pytest.mark.parametrize(
    "activation",
    ["softmax", "log_softmax", functions.softmax],
    ids=called,
)
def test_an_activation_over_all_units_is_left_and_named(activation):
    model = chain(
        (6,),
        layers.Dense(5, name="a"),
        layers.Dense(4, activation=activation, name="b"),
        layers.Dense(3, name="c"),
    )
    no_outgoing(model, "b", 2)
    no_incoming(model, "b", 0)
    no_outgoing(model, "c", 1)
    compaction = checked(model)
    assert compaction.dead == {"a": 1} and not compaction.constant
    assert list(compaction.left) == ["b"]


@pytest.mark.parametrize(
    "layer", [layers.Softmax(name="left"), layers.Activation("softmax", name="left")]
)
def test_a_softmax_layer_is_left_and_named(layer):
    model = between((6,), type(layer).from_config(layer.get_config()))
    compaction = checked(model)
    assert compaction.removed == 0 and list(compaction.left) == ["left"]


@pytest.mark.parametrize("name", ["relu", "swish"])
def test_a_function_that_is_only_called_like_an_activation_is_not_followed(name):
    def over_all(x):
        return x - functions.softmax(x)

    over_all.__name__ = name
    model = between((6,), layers.Activation(over_all, name="left"))
    assert list(analyse(graph, model).left) == ["left"]  # Keras copies it by its name


def test_spatial_dropout_is_followed():
    for shape, layer in [
        ((5, 2), layers.SpatialDropout1D(0.5)),
        ((5, 5, 2), layers.SpatialDropout2D(0.5)),
        ((4, 4, 4, 2), layers.SpatialDropout3D(0.5)),
    ]:
        compaction = checked(between(shape, layer))
        assert (compaction.dead, compaction.constant) == ONE_EACH


POOLING = [
    (kind, dimensions, padding)
    for kind in ("Max", "Average")
    for dimensions in CONVOLUTIONS
    for padding in ("valid", "same")
]


@pytest.mark.parametrize("kind, dimensions, padding", POOLING)
def test_units_go_through_pooling(kind, dimensions, padding):
    shape, _ = CONVOLUTIONS[dimensions]
    pooling = getattr(layers, f"{kind}Pooling{dimensions}")
    compaction = checked(between(shape, pooling(2, strides=2, padding=padding)))
    assert (compaction.dead, compaction.constant) == ONE_EACH


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("kind", ["Max", "Average"])
@pytest.mark.parametrize("dimensions", CONVOLUTIONS)
def test_units_go_through_global_pooling(kind, dimensions, keepdims):
    shape, conv = CONVOLUTIONS[dimensions]
    pooling = getattr(layers, f"Global{kind}Pooling{dimensions}")
    model = chain(
        shape,
        conv(4, 1, name="a"),
        pooling(keepdims=keepdims),
        layers.Dense(3, name="b"),
    )
    no_incoming(model, "a", 0)
    no_outgoing(model, "b", 1)
    compaction = checked(model)
    assert (compaction.dead, compaction.constant) == ONE_EACH


@pytest.mark.parametrize("dimensions", CONVOLUTIONS)
@pytest.mark.parametrize("bias, constant", [(0.7, {}), (0.0, {"a": 1})])
def test_zero_padding_leaves_only_zero_constant(dimensions, bias, constant):
    shape, _ = CONVOLUTIONS[dimensions]
    padding = getattr(layers, f"ZeroPadding{dimensions}")
    compaction = checked(between(shape, padding(1), bias=bias))
    assert (compaction.dead, compaction.constant) == ({"a": 1}, constant)


class Scaled(layers.Layer):
    """A custom layer with a weight for each unit, which no rule knows."""

    def build(self, shape):
        self.scale = self.add_weight(name="scale", shape=shape[-1:])

    def call(self, inputs):
        return {"scaled": inputs * self.scale, "as_it_was": inputs}["scaled"]


class Split(layers.Layer):
    """A custom layer that returns a dict."""

    def call(self, inputs):
        return {"z": inputs[:, :2], "y": inputs[:, 2:]}


def split(x):
    if KERAS3:
        return keras.ops.split(x, 2, axis=-1)[1]
    from tests.models import tf

    return tf.split(x, 2, axis=-1)[1]


UNKNOWN = {
    "Reshape": lambda x: layers.Reshape((4,), name="left")(x),
    "LSTM": lambda x: layers.LSTM(4, name="left")(layers.Reshape((2, 2))(x)),
    "LayerNormalization": lambda x: layers.LayerNormalization(name="left")(x),
    "PReLU": lambda x: layers.PReLU(name="left")(x),
    "custom": lambda x: Scaled(name="left")(x),
    "dict": lambda x: Split(name="left")(x)["z"],
    "Lambda": lambda x: layers.Lambda(lambda x: x * 2, name="left")(x),
    "op": lambda x: x * 2 + 1,
    "slice": lambda x: x[:, 1:],
    "split": lambda x: split(x),
}


@pytest.mark.parametrize("unknown", UNKNOWN)
def test_what_is_not_known_is_left_and_named(unknown):
    inputs = keras.Input((6,))
    x = layers.Dense(5, name="a")(inputs)
    x = layers.Dense(4, name="b")(x)
    x = layers.Dense(5, name="c")(UNKNOWN[unknown](x))
    model = drawn(keras.Model(inputs, layers.Dense(3, name="d")(x)))
    no_incoming(model, "b", 1)
    no_outgoing(model, "b", 1)
    no_outgoing(model, "c", 0)
    no_incoming(model, "c", 3)
    compaction = checked(model)
    assert (compaction.dead, compaction.constant) == ({"a": 1}, {"c": 1})
    assert compaction.left


def test_an_embedding_is_left_and_named():
    model = drawn(
        keras.Sequential(
            [
                keras.Input((5,), dtype="int32"),
                layers.Embedding(3, 4, mask_zero=True, name="left"),
                layers.Dense(4, name="a"),
                layers.GlobalAveragePooling1D(),
                layers.Dense(2, name="b"),
            ]
        )
    )
    no_outgoing(model, "b", 1)
    no_outgoing(model, "a", 1)
    compaction = compact(model)
    inputs = np.array([[1, 2, 0, 0, 0], [2, 1, 1, 0, 0]])
    assert difference(compaction.model, model, inputs) <= EXACT
    assert compaction.dead == {"a": 1}
    # In Keras 3 the mask is computed by an operation of the graph.
    masks = [name for name in compaction.left if name.startswith("not_equal")]
    assert list(compaction.left) == ["left", *masks] and len(masks) == KERAS3


def test_attention_is_left_and_named():
    inputs = keras.Input((5, 3))
    x = layers.Dense(4, name="a")(inputs)
    y = layers.MultiHeadAttention(2, 3, name="left")(x, x)
    x = layers.Add()([x, y])
    x = layers.Dense(4, name="b")(x)
    model = drawn(keras.Model(inputs, layers.Dense(2, name="c")(x)))
    no_outgoing(model, "c", 1)
    compaction = checked(model)
    assert compaction.dead == {"b": 1} and list(compaction.left) == ["left"]


def test_a_subclass_of_a_layer_is_not_that_layer():
    class Mine(layers.Dense):
        def call(self, inputs):
            return -super().call(inputs)

    model = chain(
        (6,), layers.Dense(5, name="a"), Mine(4, name="mine"), layers.Dense(3, name="b")
    )
    no_outgoing(model, "mine", 1)
    assert list(checked(model).left) == ["mine"]
