"""Compaction of models by chance: the outputs stay, and what is removed did nothing.

The oracles know no rule: one changes the units that are said to be dead and looks at
the outputs, the other looks at those that are said to be constant.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bindings.exporting.compacting import (
    checked,
    drawn,
    inputs_of,
    kernel_layers,
    kernels,
    masked,
)
from tests.bindings.exporting.subject import compact, graph, keras, layers, outputs_of
from tf_lottery.bindings.shared.exporting.units import analyse

FEW, MANY = 8, 60
ACTIVATIONS = [None, "relu", "tanh", "sigmoid", "elu", "softplus"]


def dense(random, units=None):
    return layers.Dense(
        units or int(random.integers(1, 8)),
        activation=ACTIVATIONS[random.integers(len(ACTIVATIONS))],
        use_bias=bool(random.random() < 0.7),
    )


def convolution(random, filters=None, **arguments):
    return layers.Conv2D(
        **{
            "filters": filters or int(random.integers(1, 7)),
            "kernel_size": int(random.integers(1, 4)),
            "padding": str(random.choice(["same", "valid"])),
            "activation": ACTIVATIONS[random.integers(len(ACTIVATIONS))],
            "use_bias": bool(random.random() < 0.7),
        }
        | arguments
    )


def dense_model(random):
    inputs = x = keras.Input((6,))
    for _ in range(random.integers(1, 4)):
        x = dense(random)(x)
        x = layers.BatchNormalization()(x) if random.random() < 0.4 else x
        x = layers.ReLU()(x) if random.random() < 0.3 else x
        x = layers.Dropout(0.3)(x) if random.random() < 0.3 else x
    return keras.Model(inputs, layers.Dense(3)(x))


def convolutional_model(random):
    inputs = x = keras.Input((11, 11, 2))
    for _ in range(random.integers(1, 4)):
        x = layers.ZeroPadding2D(1)(x) if random.random() < 0.3 else x
        x = convolution(random)(x)
        x = layers.BatchNormalization()(x) if random.random() < 0.4 else x
        x = layers.MaxPooling2D(2, 1)(x) if random.random() < 0.3 else x
    ends = [layers.Flatten, layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D]
    x = ends[random.integers(3)]()(x)
    return keras.Model(inputs, layers.Dense(3)(dense(random)(x)))


def residual_model(random):
    channels = int(random.integers(1, 6))
    inputs = keras.Input((6, 6, 2))
    x = convolution(random, channels)(inputs)
    for _ in range(random.integers(1, 4)):
        y = convolution(random, padding="same")(x)
        y = layers.BatchNormalization()(y) if random.random() < 0.6 else y
        y = convolution(random, channels, padding="same")(y)
        if random.random() < 0.3:
            x = convolution(random, channels, kernel_size=1)(x)
        merges = [layers.Add, layers.Add, layers.Concatenate, layers.Maximum]
        x = merges[random.integers(4)]()([x, y])
        channels = x.shape[-1]
        x = layers.ReLU()(x) if random.random() < 0.5 else x
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3)(x))


def depthwise(random, **arguments):
    return layers.DepthwiseConv2D(
        **{
            "kernel_size": int(random.integers(1, 4)),
            "padding": str(random.choice(["same", "valid"])),
            "depth_multiplier": int(random.integers(1, 3)),
            "activation": ACTIVATIONS[random.integers(len(ACTIVATIONS))],
            "use_bias": bool(random.random() < 0.5),
        }
        | arguments
    )


def separable(random, filters, **arguments):
    return layers.SeparableConv2D(
        **{
            "filters": filters,
            "kernel_size": int(random.integers(1, 4)),
            "padding": str(random.choice(["same", "valid"])),
            "depth_multiplier": int(random.integers(1, 3)),
            "activation": ACTIVATIONS[random.integers(len(ACTIVATIONS))],
            "use_bias": bool(random.random() < 0.5),
        }
        | arguments
    )


def mobile_model(random):
    """Blocks of MobileNetV2, of MobileNet and of Xception, some of them residual."""
    channels = int(random.integers(1, 6))
    inputs = keras.Input((9, 9, 2))
    x = depthwise(random)(inputs) if random.random() < 0.2 else inputs
    x = convolution(random, channels, padding="same")(x)
    for _ in range(random.integers(1, 4)):
        same = {"padding": "same"} if random.random() < 0.6 else {}
        kind = random.integers(3)
        if kind == 0:  # expands, convolves each channel, projects
            y = convolution(random, kernel_size=1, use_bias=False, activation=None)(x)
            y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
            y = layers.ZeroPadding2D(1)(y) if random.random() < 0.3 and not same else y
            y = depthwise(random, use_bias=False, activation=None, **same)(y)
            y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
            y = convolution(random, channels, kernel_size=1, activation=None)(y)
        elif kind == 1:
            y = depthwise(random, **same)(x)
            y = layers.BatchNormalization()(y) if random.random() < 0.6 else y
            y = convolution(random, channels, kernel_size=1)(y)
        else:
            y = separable(random, channels, **same)(x)
        y = layers.BatchNormalization()(y) if random.random() < 0.6 else y
        x = layers.Add()([x, y]) if x.shape == y.shape else y
        if random.random() < 0.3:
            z = depthwise(random, padding="same")(x)
            x = layers.Add()([x, z]) if x.shape == z.shape else x
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3)(x))


FAMILIES = [dense_model, convolutional_model, residual_model, mobile_model]
families = pytest.mark.parametrize("family", FAMILIES)
seeds = st.integers(0, 2**32 - 1)
densities = st.sampled_from([0.0, 0.05, 0.2, 0.5, 0.9, 1.0])


def example(family, seed, density):
    keras.backend.clear_session()
    random = np.random.default_rng(seed)
    return masked(drawn(family(random), seed), random, density)


def outputs_stay_and_nothing_is_left(family, seed, density, drop_inputs):
    compaction = checked(example(family, seed, density), drop_inputs=drop_inputs)
    twice = compact(compaction.model, drop_inputs=drop_inputs)
    assert twice.removed == 0 and not twice.inputs
    assert not compaction.left


def dead_units_do_nothing(family, seed, density):
    model = example(family, seed, density)
    inputs, analysis = inputs_of(model), analyse(graph, model)
    (outputs,) = outputs_of(model, inputs)
    for layer in kernel_layers(model).values():
        units = analysis.kernels[id(layer)].after
        dead = ~analysis.keeps(units) & np.isnan(units.constants)
        was = layer.get_weights()
        first = len(kernels(layer)) - 1  # the depthwise kernel makes no units
        layer.set_weights([*was[:first], *(each + 9 * dead for each in was[first:])])
        assert (outputs_of(model, inputs)[0] == outputs).all()
        layer.set_weights(was)


def constant_units_never_vary(family, seed, density):
    model = example(family, seed, density)
    analysis = analyse(graph, model)
    for layer in kernel_layers(model).values():
        constants = analysis.kernels[id(layer)].after.constants
        probe = keras.Model(model.inputs, layer.output)
        (found,) = outputs_of(probe, inputs_of(model))
        fixed = ~np.isnan(constants)
        np.testing.assert_allclose(
            found[..., fixed],
            np.broadcast_to(constants, found.shape)[..., fixed],
            rtol=1e-4,
            atol=1e-5,
        )


@pytest.mark.first_case
@families
@settings(max_examples=FEW)
@given(seeds, densities, st.booleans())
def test_outputs_stay_and_nothing_is_left_to_remove(family, seed, density, drop):
    outputs_stay_and_nothing_is_left(family, seed, density, drop)


@pytest.mark.first_case
@families
@settings(max_examples=FEW)
@given(seeds, densities)
def test_a_dead_unit_does_nothing(family, seed, density):
    dead_units_do_nothing(family, seed, density)


@pytest.mark.first_case
@families
@settings(max_examples=FEW)
@given(seeds, densities)
def test_a_constant_unit_has_the_value_that_is_folded(family, seed, density):
    constant_units_never_vary(family, seed, density)


@settings(max_examples=FEW)
@given(seeds, densities)
def test_in_a_chain_every_unit_that_stays_is_used(seed, density):
    """Unless it is the last of its layer."""
    compacted = compact(example(dense_model, seed, density)).model
    kernels = [graph.array(each.kernel) for each in kernel_layers(compacted).values()]
    for before, after in itertools.pairwise(kernels):
        assert after.shape[0] == 1 or (before.any(axis=0) & after.any(axis=1)).all()


@pytest.mark.slow
@families
@settings(max_examples=MANY)
@given(seeds, densities, st.booleans())
def test_all_of_it_on_many_models(family, seed, density, drop):
    outputs_stay_and_nothing_is_left(family, seed, density, drop)
    dead_units_do_nothing(family, seed, density)
    constant_units_never_vary(family, seed, density)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *("ResNet50V2", "VGG16", "DenseNet121", "InceptionV3"),
        *("MobileNet", "MobileNetV2", "Xception", "NASNetMobile"),
    ],
)
def test_models_that_are_used(name):
    build = getattr(keras.applications, name)
    model = build(weights=None, input_shape=(96, 96, 3), classes=10)
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            draw = [random.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()]
            layer.set_weights(draw)
    compaction = checked(masked(model, random, 1.0))
    assert compaction.removed > 500 and not compaction.left
