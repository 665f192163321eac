"""Multiply-accumulates are counted by layer and position."""

import numpy as np

from tests.bindings.exporting.subject import graph, keras, layers
from tf_lottery.bindings.shared.exporting.macs import macs


def test_multiplications_are_counted_by_position():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, padding="same", strides=2),
            layers.SeparableConv2D(6, 2),
            layers.Conv2DTranspose(2, 3),
            layers.Flatten(),
            layers.Dense(5),
        ]
    )
    wanted = 16 * 108 + 9 * (16 + 24) + 9 * 108 + 50 * 5
    assert macs(graph, model).all == macs(graph, model).nonzero == wanted
    kernel = model.layers[0].kernel
    kernel.assign(kernel * np.float32([1, 0, 0, 0]))
    assert macs(graph, model).nonzero == wanted - 16 * 81
    assert macs(graph, model).uncounted == ()


def test_a_tensor_may_be_given_by_name():
    x = keras.Input((4, 4, 2))
    model = keras.Model(x, layers.Conv2DTranspose(3, 2)(inputs=x))
    assert macs(graph, model).all == 16 * 2 * 2 * 2 * 3


def test_what_is_not_counted_is_named():
    model = keras.Sequential(
        [keras.Input((6,)), layers.Embedding(9, 4), layers.LSTM(3, name="lstm")]
    )
    assert macs(graph, model).uncounted == ("lstm",)
