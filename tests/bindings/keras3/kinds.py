"""Kinds of models that people write: each function makes a compiled one, and its data.

Batches of 16 divide the data.
"""

import keras
import numpy as np

from tests.bindings.keras3.models import CLASSES, FEATURES, arrays, compiled, layers
from tests.bindings.keras3.own_steps import OwnStep

WORDS, LENGTH = 20, 6
new = keras.optimizers
registered = keras.saving.register_keras_serializable("tests")


def rows():
    return arrays(96)


def texts():
    words = np.random.default_rng(0).integers(0, WORDS, (96, LENGTH))
    return words.astype("int32"), (words.sum(1) % CLASSES)


def series():
    values = np.random.default_rng(0).normal(size=(96, LENGTH, 5)).astype("float32")
    return values, (values[:, 0, 0] > 0).astype("int64")


def images():
    values = np.random.default_rng(0).normal(size=(96, 8, 8, 2)).astype("float32")
    return values, (values[:, 0, 0, 0] > 0).astype("int64")


def parts():
    """The layers of a small network."""
    return [
        layers.Dense(12, activation="relu", name="hidden"),
        layers.Dropout(0.2, name="dropout"),
        layers.Dense(CLASSES, name="logits"),
    ]


def sequential():
    inside = [keras.Input((FEATURES,)), parts()[0], layers.BatchNormalization()]
    return compiled(keras.Sequential([*inside, *parts()[1:]])), rows()


def unbuilt():
    return compiled(keras.Sequential(parts())), rows()


def of_dicts():
    a, b = keras.Input((6,), name="a"), keras.Input((10,), name="b")
    joined = layers.Dense(8, name="joint")(layers.concatenate([b, a]))
    number = layers.Dense(1, name="number")(joined)
    outputs = {"kind": layers.Dense(CLASSES, name="kind")(joined), "number": number}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = keras.Model({"a": a, "b": b}, outputs)
    losses = {"kind": loss, "number": "mse"}
    model.compile("adam", losses, metrics={"kind": ["accuracy"], "number": ["mae"]})
    x, y = rows()
    labels = {"kind": y, "number": x[:, :1]}
    return model, ({"a": x[:, :6], "b": x[:, 6:]}, labels)


def of_lists():
    inputs = [keras.Input((6,), name="a"), keras.Input((10,), name="b")]
    joined = layers.Dense(8, name="joint")(layers.concatenate(inputs))
    outputs = [layers.Dense(1, name=name)(joined) for name in ("one", "two")]
    model = keras.Model(inputs, outputs)
    model.compile("adam", ["mse", "mae"], metrics=[["mae"], ["mse"]])
    x, _ = rows()
    return model, ((x[:, :6], x[:, 6:]), (x[:, :1], x[:, 1:2]))


@registered
class Net(keras.Model):
    """Of the user's class, with layers in a list and a number of its own."""

    def __init__(self, width=12, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.inside = [layers.Dense(width, name="a"), layers.Dropout(0.2, name="b")]
        self.last = layers.Dense(CLASSES, name="last")

    def call(self, x, training=None):
        for layer in self.inside:
            x = layer(x, training=training) if "b" in layer.name else layer(x)
        return self.last(keras.ops.relu(x))

    def get_config(self):
        return {**super().get_config(), "width": self.width}


def subclassed():
    return compiled(Net()), rows()


def own_step():
    model = OwnStep([keras.Input((FEATURES,)), *parts()])
    return compiled(model), rows()


@registered
class OwnLoss(keras.Model):
    """A loss and a metric that the model computes itself, without `compile(loss)`."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.largest = keras.metrics.Mean(name="largest")

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        self.largest.update_state(keras.ops.max(y_pred))
        found = keras.losses.sparse_categorical_crossentropy(y, y_pred, True)
        return keras.ops.mean(found) + sum(self.losses)


def own_loss():
    inputs = outputs = keras.Input((FEATURES,))
    for layer in parts():
        outputs = layer(outputs)
    model = OwnLoss(inputs, outputs)
    model.compile("adam")
    return model, rows()


def nested():
    inner = keras.Sequential([keras.Input((FEATURES,)), *parts()[:2]], name="inner")
    shared = layers.Dense(FEATURES, activation="tanh", name="shared")
    inputs = keras.Input((FEATURES,))
    hidden = inner(shared(shared(inputs)))
    outputs = layers.Dense(CLASSES, name="logits")(hidden)
    return compiled(keras.Model(inputs, outputs)), rows()


@registered
class Scaled(keras.layers.Layer):
    """A layer of one's own, with weights of its own and a layer inside."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.inside = layers.Dense(units, name="inside")

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")
        self.calls = self.add_weight(
            shape=(), dtype="int32", trainable=False, name="calls", initializer="zeros"
        )
        self.inside.build((*shape[:-1], self.units))

    def call(self, x, training=None):
        if training:
            self.calls.assign(self.calls + 1)
        return self.inside(keras.ops.tanh(keras.ops.matmul(x, self.kernel)))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def own_layer():
    inside = [keras.Input((FEATURES,)), Scaled(8, name="scaled"), parts()[2]]
    return compiled(keras.Sequential(inside)), rows()


def recurrent():
    return compiled(
        keras.Sequential(
            [
                keras.Input((LENGTH,), dtype="int32"),
                layers.Embedding(WORDS, 5, mask_zero=True, name="words"),
                layers.Bidirectional(layers.LSTM(4, dropout=0.2), name="both"),
                layers.Dense(CLASSES, name="logits"),
            ]
        )
    ), texts()


def stateful():
    return compiled(
        keras.Sequential(
            [
                keras.Input(batch_shape=(16, LENGTH, 5)),
                layers.GRU(4, stateful=True, name="gru"),
                layers.Dense(2, name="logits"),
            ]
        )
    ), series()


def attention():
    inputs = keras.Input((LENGTH,), dtype="int32")
    hidden = layers.Embedding(WORDS, 8, name="words")(inputs)
    attend = layers.MultiHeadAttention(2, 4, dropout=0.1, name="attention")
    hidden = layers.LayerNormalization(name="norm")(hidden + attend(hidden, hidden))
    hidden = layers.GlobalAveragePooling1D()(hidden)
    outputs = layers.Dense(CLASSES, name="logits")(hidden)
    return compiled(keras.Model(inputs, outputs), new.AdamW(0.01)), texts()


def convolutional():
    return compiled(
        keras.Sequential(
            [
                keras.Input((8, 8, 2)),
                layers.RandomFlip(seed=3),
                layers.Conv2D(4, 3, use_bias=False, name="conv"),
                layers.BatchNormalization(name="bn"),
                layers.ReLU(),
                layers.DepthwiseConv2D(3, name="depthwise"),
                layers.SeparableConv2D(4, 3, name="separable"),
                layers.Flatten(),
                layers.Dense(2, name="logits"),
            ]
        )
    ), images()


def of_policy(policy):
    """A function that makes a convolutional model under a policy."""

    def make():
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(policy)
        try:
            return convolutional()
        finally:
            keras.config.set_dtype_policy(before)

    return make


def frozen():
    model, data = nested()
    model.get_layer("shared").trainable = False
    return compiled(model), data


@registered
class Student(keras.Sequential):
    """Learns also from a teacher, an attribute that no configuration names."""

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        own = super().compute_loss(x, y, y_pred, sample_weight, training)
        wanted = keras.ops.stop_gradient(self.teacher(x, training=False))
        return own + keras.ops.mean((wanted - y_pred) ** 2)


def distilled():
    student = Student([keras.Input((FEATURES,)), *parts()])
    teacher = keras.Sequential([keras.Input((FEATURES,)), layers.Dense(CLASSES)])
    teacher.trainable = False
    student.teacher = teacher
    return compiled(student), rows()


def with_lambda():
    inside = layers.Lambda(lambda x: keras.ops.tanh(x))
    model = keras.Sequential([keras.Input((FEATURES,)), inside, *parts()])
    return compiled(model), rows()


@registered
class Sparse(keras.layers.Layer):
    """Adds a loss for what it passes on."""

    def call(self, x):
        self.add_loss(0.01 * keras.ops.mean(keras.ops.abs(x)))
        return x


def with_losses():
    regular = layers.Dense(12, kernel_regularizer="l2", activity_regularizer="l1")
    inside = [keras.Input((FEATURES,)), regular, Sparse(), parts()[2]]
    return compiled(keras.Sequential(inside)), rows()


class Schedule:
    """An object of the user's, which reaches a layer."""

    def __init__(self, layer):
        self.layer, self.beta = layer, 0.5

    def penalty(self):
        return self.beta * keras.ops.mean(self.layer.kernel**2)


def with_closures():
    """Attributes, a list of layers and a loss that reach the model."""
    model, data = unbuilt()
    model.build((None, FEATURES))
    model.schedule, model.kept = Schedule(model.layers[0]), [model.layers[-1]]
    model.factors = {"a": np.ones(3)}
    compute_loss = model.compute_loss

    def with_penalty(*args, **kwargs):
        bias = model.kept[0].bias
        found = compute_loss(*args, **kwargs) + keras.ops.mean(bias**2)
        return found + model.schedule.penalty()

    model.compute_loss = with_penalty
    return model, data


KINDS = {
    "sequential": sequential,
    "unbuilt": unbuilt,
    "dicts": of_dicts,
    "lists": of_lists,
    "subclassed": subclassed,
    "own train_step": own_step,
    "own compute_loss": own_loss,
    "nested and shared": nested,
    "own layer": own_layer,
    "recurrent": recurrent,
    "stateful": stateful,
    "attention": attention,
    "convolutional": convolutional,
    "bfloat16": of_policy("mixed_bfloat16"),
    "float16": of_policy("mixed_float16"),
    "frozen": frozen,
    "distilled": distilled,
    "lambda": with_lambda,
    "losses": with_losses,
    "closures": with_closures,
}
