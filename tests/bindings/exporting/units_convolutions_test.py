"""Units of convolutions are channels, and constant only where nothing is padded."""

import numpy as np
import pytest

from tests.bindings.exporting.compacting import (
    CONVOLUTIONS,
    chain,
    checked,
    no_incoming,
    no_outgoing,
    set_bias,
)
from tests.bindings.exporting.subject import KERAS3, compact, keras, layers


@pytest.mark.parametrize("dimensions", CONVOLUTIONS)
def test_dead_and_constant_channels_are_removed(dimensions):
    shape, conv = CONVOLUTIONS[dimensions]
    model = chain(
        shape,
        conv(4, 2, activation="relu", name="a"),
        conv(5, 2, activation="relu", name="b"),
        layers.Flatten(),
        layers.Dense(3, name="c"),
    )
    set_bias(model, "a", 0.5)
    no_incoming(model, "a", 2)
    no_outgoing(model, "b", 0)
    compaction = checked(model)
    assert (compaction.dead, compaction.constant) == ({"a": 1}, {"a": 1})


@pytest.mark.parametrize(
    "arguments, folds",
    [
        ({"padding": "valid"}, True),
        ({"padding": "valid", "strides": 2}, True),
        ({"padding": "valid", "dilation_rate": 2}, True),
        ({"padding": "same"}, False),
        ({"padding": "same", "strides": 2}, False),
        ({"padding": "same", "kernel_size": 1}, True),
        ({"padding": "same", "kernel_size": 1, "strides": 2}, True),
        ({"padding": "same", "kernel_size": (1, 3)}, False),
    ],
)
@pytest.mark.parametrize("bias", [0.7, 0.0])
def test_beside_a_padded_edge_only_zero_is_constant(arguments, folds, bias):
    model = chain(
        (9, 9, 2),
        layers.Conv2D(4, 1, activation="relu", name="a"),
        layers.Conv2D(3, **{"kernel_size": 3, "name": "b", **arguments}),
    )
    set_bias(model, "a", bias)
    no_incoming(model, "a", 2)
    assert checked(model).constant == ({"a": 1} if folds or bias == 0 else {})


@pytest.mark.parametrize("bias, folded", [(0.7, {}), (0.0, {"a": 1})])
def test_a_causal_convolution_is_padded(bias, folded):
    model = chain(
        (9, 2),
        layers.Conv1D(4, 1, activation="relu", name="a"),
        layers.Conv1D(3, 3, padding="causal", name="b"),
    )
    set_bias(model, "a", bias)
    no_incoming(model, "a", 2)
    assert checked(model).constant == folded


def test_a_channel_that_cannot_be_folded_makes_the_next_ones_vary():
    model = chain(
        (5, 5, 2),
        layers.Conv2D(2, 1, name="a"),
        layers.Conv2D(2, 3, padding="same", name="b"),
        layers.Conv2D(2, 1, name="c"),
    )
    no_incoming(model, "a", 0)
    no_outgoing(model, "b", 1)
    assert checked(model).constant == {}
    assert checked(model).dead == {"a": 1}


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(4, 3, groups=2, name="left"),
        layers.DepthwiseConv2D(3, activation="softmax", name="left"),
        layers.Conv2DTranspose(4, 3, name="left"),
        *([] if KERAS3 else [layers.LocallyConnected2D(4, 3, name="left")]),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_other_convolutions_are_left_and_named(layer):
    model = chain(
        (6, 6, 2),
        layers.Conv2D(4, 1, name="a"),
        type(layer).from_config(layer.get_config()),
        layers.Flatten(),
        layers.Dense(2, name="b"),
    )
    no_incoming(model, "a", 0)
    compaction = checked(model)
    assert compaction.removed == 0 and list(compaction.left) == ["left"]


def test_channels_first_is_left_and_named():
    # Convolutions of this format do not run on a CPU: it is followed, not called.
    model = keras.Sequential(
        [
            keras.Input((2, 6, 6)),
            layers.Conv2D(4, 1, data_format="channels_first", name="a"),
            layers.GlobalAveragePooling2D(data_format="channels_first", name="pool"),
            layers.Dense(2, name="b"),
        ]
    )
    no_outgoing(model, "b", 1)
    compaction = compact(model)
    assert compaction.removed == 0
    assert compaction.left == {
        "a": "its channels are not last",
        "pool": "its channels are not last",
    }


def test_flatten_repeats_the_channels():
    model = chain(
        (3, 3, 2),
        layers.Conv2D(4, 1, activation="relu", name="a"),
        layers.Flatten(),
        layers.Dense(3, name="b"),
    )
    rows = np.arange(36).reshape(9, 4)
    no_outgoing(model, "b", *rows[:, 1], *rows[1:, 2])
    assert checked(model).dead == {"a": 1}  # channel 2 is used at one place
    set_bias(model, "a", 0.7)
    no_incoming(model, "a", 3)
    assert checked(model).constant == {"a": 1}
