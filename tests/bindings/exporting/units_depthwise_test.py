"""Units go through depthwise and separable convolutions, as in MobileNet."""

import numpy as np
import pytest

from tests.bindings.exporting.compacting import (
    ONE_EACH,
    chain,
    change,
    checked,
    drawn,
    kernels,
    layer_at,
    no_incoming,
    no_outgoing,
    set_bias,
)
from tests.bindings.exporting.subject import compact, graph, keras, layers

SHAPES = {"1D": (9, 2), "2D": (9, 8, 2)}


def layer(kind, dimensions, *arguments, **options):
    return getattr(layers, f"{kind}Conv{dimensions}")(*arguments, **options)


def around(dimensions, *stack, outputs=3):
    """Layer "a", whose unit 0 is a constant, then others, then layer "b"."""
    first = layer("", dimensions, 4, 1, activation="relu", name="a")
    last = layer("", dimensions, outputs, 1, name="b")
    model = chain(SHAPES[dimensions], first, *stack, last)
    set_bias(model, "a", 0.7)
    no_incoming(model, "a", 0)
    return model


def kernel_change(model, path, change, which=0):
    variable = kernels(layer_at(model, path))[which]
    kernel = np.array(graph.array(variable))
    change(kernel)
    variable.assign(kernel)


@pytest.mark.parametrize("dimensions", SHAPES)
@pytest.mark.parametrize("multiplier", [1, 3])
@pytest.mark.parametrize("use_bias", [True, False])
def test_dead_and_constant_units_go_through(dimensions, multiplier, use_bias):
    model = around(
        dimensions,
        layer(
            "Depthwise",
            dimensions,
            2,
            depth_multiplier=multiplier,
            use_bias=use_bias,
            name="depth",
        ),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(6.0),
    )
    no_outgoing(model, "b", *range(multiplier, 2 * multiplier))
    compaction = checked(model)
    assert (compaction.dead, compaction.constant) == ONE_EACH
    assert not compaction.left
    found = compaction.model
    assert kernels(found.get_layer("depth"))[0].shape[-2:] == (2, multiplier)
    assert found.get_layer("norm").moving_mean.shape == (2 * multiplier,)


def test_of_the_units_made_of_one_all_stay_if_one_is_used():
    model = around(
        "2D", layers.DepthwiseConv2D(2, depth_multiplier=2), layers.BatchNormalization()
    )
    no_outgoing(model, "b", 2)
    assert checked(model).dead == {}
    no_outgoing(model, "b", 3)
    assert checked(model).dead == {"a": 1}


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_a_filter_of_zeros_makes_the_unit_before_it_dead(padding):
    model = around("2D", layers.DepthwiseConv2D(3, padding=padding, name="depth"))
    kernel_change(model, "depth", lambda kernel: kernel.__setitem__((..., 2, 0), 0))
    compaction = checked(model)
    assert compaction.dead == {"a": 1}
    assert compaction.constant == ({"a": 1} if padding == "valid" else {})


@pytest.mark.parametrize(
    "size, bias, folds", [(3, 0.7, False), (3, 0.0, True), (1, 0.7, True)]
)
@pytest.mark.parametrize("kind", ["Depthwise", "Separable"])
def test_beside_a_padded_edge_only_zero_is_constant(kind, size, bias, folds):
    given = [size] if kind == "Depthwise" else [4, size]
    model = around("2D", layer(kind, "2D", *given, padding="same", name="depth"))
    set_bias(model, "a", bias)
    assert checked(model).constant == ({"a": 1} if folds else {})


@pytest.mark.parametrize("dimensions", SHAPES)
@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize("use_bias", [True, False])
def test_a_separable_convolution_makes_new_units(dimensions, multiplier, use_bias):
    model = around(
        dimensions,
        layer(
            "Separable",
            dimensions,
            5,
            2,
            depth_multiplier=multiplier,
            use_bias=use_bias,
            activation="relu",
            name="s",
        ),
    )
    kernel_change(
        model,
        "s",
        lambda kernel: kernel.__setitem__(
            (..., slice(multiplier, 2 * multiplier), slice(None)), 0
        ),
        which=1,
    )
    no_outgoing(model, "b", 2)
    compaction = checked(model)
    assert compaction.dead == {"a": 1, "s": 1} and compaction.constant == {"a": 1}
    depth, point = kernels(compaction.model.get_layer("s"))
    assert depth.shape[-2:] == (2, multiplier)
    assert point.shape[-2:] == (2 * multiplier, 4)


def test_both_kernels_of_a_separable_convolution_lead_from_unit_to_unit():
    model = around("2D", layers.SeparableConv2D(5, 2, depth_multiplier=2, name="s"))
    kernel_change(model, "s", lambda kernel: kernel.__setitem__((..., 1, 0), 0))
    rows = (..., 3, slice(None))
    kernel_change(model, "s", lambda kernel: kernel.__setitem__(rows, 0), which=1)
    assert checked(model).dead == {"a": 1}  # each way has a kernel without weights


def test_ways_that_cancel_out_are_used():
    model = around(
        "2D", layers.SeparableConv2D(2, 1, depth_multiplier=2, use_bias=False, name="s")
    )
    kernel_change(model, "s", lambda kernel: kernel.__setitem__(..., 1))
    signs = np.array([1, -1] * 4, np.float32)[:, np.newaxis]
    kernel_change(model, "s", lambda kernel: kernel.__setitem__(..., signs), which=1)
    assert compact(model).dead == {}


def test_inputs_that_a_separable_convolution_does_not_use_are_dropped():
    model = chain((6, 6, 3), layers.SeparableConv2D(4, 2, depth_multiplier=2, name="s"))
    kernel_change(model, "s", lambda kernel: kernel.__setitem__((..., 1, slice(2)), 0))
    assert checked(model, drop_inputs=True).inputs == {"s": 1}


def test_a_block_of_mobilenet_shares_the_units_of_its_sum():
    inputs = keras.Input((6, 6, 2))
    x = layers.Conv2D(4, 1, name="stem")(inputs)
    y = layers.Conv2D(6, 1, use_bias=False, name="expand")(x)
    y = layers.ReLU(6.0)(layers.BatchNormalization(name="norm")(y))
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depth")(y)
    y = layers.ReLU(6.0)(layers.BatchNormalization(name="depth_norm")(y))
    y = layers.BatchNormalization()(layers.Conv2D(4, 1, name="project")(y))
    z = layers.Conv2D(3, 1, name="last")(layers.Add()([x, y]))
    model = drawn(keras.Model(inputs, z))
    no_outgoing(model, "project", 1, 2)
    no_outgoing(model, "last", 3)
    no_outgoing(model, "expand", 3)
    compaction = checked(model)
    assert compaction.dead == {"stem": 1, "expand": 2, "project": 1}
    assert not compaction.constant and not compaction.left
    assert kernels(compaction.model.get_layer("depth"))[0].shape[-2] == 4
    change(model, "expand", lambda kernel: kernel.__setitem__((..., 3, 0), 1.0))
    assert checked(model).dead == {"expand": 2}  # before the sum, unit 3 is used


def test_a_layer_that_is_called_twice_is_left_and_named():
    shared = layers.DepthwiseConv2D(3, name="left")
    inputs = keras.Input((9, 9, 2))
    x = shared(shared(layers.Conv2D(4, 1, name="a")(inputs)))
    model = drawn(keras.Model(inputs, layers.Conv2D(3, 1, name="b")(x)))
    no_outgoing(model, "b", 1)
    compaction = checked(model)
    assert compaction.left == {"left": "called more than once"}
    assert compaction.removed == 0
