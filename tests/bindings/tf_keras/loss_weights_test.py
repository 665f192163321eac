"""Variables in `loss_weights`, which callbacks change while a model is trained."""

import pytest

from tests.models import FEATURES, arrays, keras, layers, tf
from tf_lottery import Plan
from tf_lottery.training.trainer import Trainer


class Halving(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.model.alpha.assign(self.model.alpha / 2)


def weighted(alpha):
    inputs = keras.Input((FEATURES,), name="features")
    hidden = layers.Dense(5, name="hidden")(inputs)
    outputs = [layers.Dense(1, name=name)(hidden) for name in ("a", "b")]
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse", loss_weights={"a": 1.0, "b": alpha})
    return model


def data():
    x, y = arrays()
    return x, {"a": y, "b": y}


def test_one_that_is_an_attribute_is_copied_and_rewound():
    alpha = tf.Variable(1.0, trainable=False, name="alpha")
    model = weighted(alpha)
    model.alpha = alpha
    trainer = Trainer(model, data(), Plan(epochs=2), callbacks=[Halving()])
    outcomes = [trainer.train(trainer.dense()) for _ in range(2)]
    assert outcomes[0].curves["loss"] == outcomes[1].curves["loss"]
    assert outcomes[0].weights["alpha"] == 0.25
    assert alpha.numpy() == 1.0
    curves = outcomes[0].curves
    second = curves["a_loss"][1] + 0.25 * curves["b_loss"][1]
    assert curves["loss"][1] == pytest.approx(second)


def test_another_one_is_refused_with_what_to_do():
    alpha = keras.backend.variable(1.0, name="alpha")
    with pytest.raises(ValueError, match=r"`loss_weights` must be an attribute.*alpha"):
        Trainer(weighted(alpha), data(), Plan())
