"""Exact compaction: what is removed of a model, and what stays."""

import subprocess
import sys

import numpy as np
import pytest

from tests.bindings.exporting.compacting import (
    EXACT,
    ONE_EACH,
    between,
    block,
    chain,
    change,
    checked,
    dense_chain,
    difference,
    drawn,
    inputs_of,
    layer_at,
    no_incoming,
    no_outgoing,
    set_bias,
    sizes,
)
from tests.bindings.exporting.subject import (
    BACKEND,
    KERAS3,
    compact,
    graph,
    keras,
    layers,
    outputs_of,
)


def kernel_of(model, path):
    return graph.array(layer_at(model, path).kernel)


def test_where_every_unit_is_needed_nothing_changes():
    model = dense_chain()
    compaction = checked(model)
    assert compaction.removed == 0 and not compaction.left
    assert sizes(compaction.model) == sizes(model)
    assert isinstance(compaction.model, keras.Sequential)
    assert difference(compaction.model, model, inputs_of(model)) == 0


def test_a_unit_without_outgoing_weight_is_dead():
    model = dense_chain()
    no_outgoing(model, "b", 0, 3)
    compaction = checked(model)
    assert compaction.dead == {"a": 2} and not compaction.constant


def test_only_the_needed_units_of_a_layer_stay():
    model = dense_chain()
    no_outgoing(model, "b", 0, 1, 2, 3)
    compaction = checked(model)
    assert compaction.dead == {"a": 4}
    kept, was = (kernel_of(each, "a") for each in (compaction.model, model))
    assert (kept == was[:, 4:]).all()


def test_a_unit_without_incoming_weight_is_folded_into_the_next_bias():
    model = dense_chain()
    set_bias(model, "a", 0.7)
    no_incoming(model, "a", 1)
    compaction = checked(model)
    assert compaction.constant == {"a": 1} and not compaction.dead
    b, was = compaction.model.get_layer("b"), model.get_layer("b")
    folded = graph.array(was.bias) + np.float32(0.7) * graph.array(was.kernel)[1]
    np.testing.assert_allclose(graph.array(b.bias), folded, rtol=1e-6)


def test_a_constant_makes_a_bias_where_there_was_none():
    model = chain(
        (6,),
        layers.Dense(5, activation="sigmoid", name="a"),
        layers.Dense(4, use_bias=False, name="b"),
    )
    no_incoming(model, "a", 1)
    compaction = checked(model)
    assert compaction.constant == {"a": 1}
    assert compaction.model.get_layer("b").use_bias


def test_a_constant_of_zero_makes_no_bias():
    model = dense_chain(use_bias=False)
    no_incoming(model, "a", 1)
    compaction = checked(model)
    assert compaction.constant == {"a": 1}
    assert not compaction.model.get_layer("b").use_bias


def test_a_dead_unit_makes_those_before_it_dead():
    model = dense_chain()
    no_outgoing(model, "c", 2)
    change(model, "b", lambda kernel: kernel.__setitem__((0, [0, 1, 3]), 0))
    assert checked(model).dead == {"a": 1, "b": 1}


def test_a_constant_unit_makes_those_behind_it_constant():
    model = dense_chain()
    no_incoming(model, "a", 0)
    change(model, "b", lambda kernel: kernel.__setitem__((slice(1, None), 2), 0))
    assert checked(model).constant == {"a": 1, "b": 1}


@pytest.mark.parametrize("path", ["a", "b", "c"])
def test_an_empty_layer_leaves_one_unit_of_each_that_it_cuts_off(path):
    model = dense_chain()
    no_incoming(model, path, *range(layer_at(model, path).units))
    compaction = checked(model)
    expected = {"a": {"a": 1, "b": 1}, "b": {"a": 1, "b": 1}, "c": {"a": 1, "b": 1}}
    assert sizes(compaction.model) == expected[path] | {"c": 3}


def test_the_units_of_the_output_stay_dead_or_constant():
    model = dense_chain()
    no_incoming(model, "c", 1)
    assert checked(model).removed == 0


def test_inputs_stay_unless_it_is_asked_for():
    model = dense_chain()
    no_outgoing(model, "a", 1, 4, 5)
    kept, dropped = checked(model), checked(model, drop_inputs=True)
    assert not kept.inputs and kept.model.get_layer("a").kernel.shape[0] == 6
    assert dropped.inputs == {"a": 3} and dropped.removed == 0
    assert dropped.model.get_layer("a").kernel.shape[0] == 3
    assert dropped.model.input_shape == model.input_shape


def test_inputs_behind_a_flatten_are_dropped_too():
    model = chain((4, 3), layers.Flatten(), layers.Dense(5, name="a"))
    no_outgoing(model, "a", *range(0, 12, 2))
    assert checked(model, drop_inputs=True).inputs == {"a": 6}


def test_the_input_channels_of_a_convolution_are_dropped():
    model = chain((6, 6, 3), layers.Conv2D(4, 3, name="a"))
    no_outgoing(model, "a", 1)
    assert checked(model, drop_inputs=True).inputs == {"a": 1}


def test_a_layer_that_uses_no_input_drops_none():
    model = dense_chain()
    no_outgoing(model, "a", *range(6))
    assert not checked(model, drop_inputs=True).inputs


def test_a_mask_of_steps_is_not_lost_by_dropping_inputs():
    model = drawn(
        keras.Sequential(
            [
                keras.Input((5, 3)),
                layers.Masking(name="masking"),
                layers.Dense(4, name="a"),
                layers.LSTM(2, name="lstm"),
            ]
        )
    )
    no_outgoing(model, "a", 1)
    inputs = inputs_of(model)
    inputs[:, 3:] = 0
    compaction = compact(model, drop_inputs=True)
    assert difference(compaction.model, model, inputs) <= EXACT


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "bfloat16"])
def test_half_precision(policy, global_policy):
    global_policy(policy)
    model = between(
        (6,), layers.BatchNormalization(), layers.ReLU(), layers.Activation("tanh")
    )
    compaction = checked(model, tolerance=0.03)
    assert (compaction.dead, compaction.constant) == ONE_EACH
    assert compaction.model.dtype == model.dtype


@pytest.mark.skipif(
    BACKEND in ("jax", "torch"), reason="Keras makes single precision of arrays there"
)
def test_double_precision_stays_double(global_policy):
    global_policy("float64")
    model = between((6,), layers.BatchNormalization(), layers.Activation("tanh"))
    compaction = checked(model, tolerance=1e-14)
    assert (compaction.dead, compaction.constant) == ONE_EACH


def test_constraints_regularizers_and_initializers_do_not_matter():
    arguments = {
        "kernel_constraint": keras.constraints.MaxNorm(1.0),
        "kernel_regularizer": keras.regularizers.L2(0.1),
        "bias_regularizer": keras.regularizers.L1(0.1),
        "activity_regularizer": keras.regularizers.L2(0.1),
        "bias_initializer": keras.initializers.Constant(np.arange(4.0)),
        "trainable": False,
    }
    model = between(
        (6,),
        layers.Dense(4, name="middle", **arguments),
        layers.BatchNormalization(
            name="norm",
            beta_initializer=keras.initializers.Constant(np.arange(4.0)),
            trainable=False,
        ),
    )
    no_incoming(model, "middle", 2)
    compaction = checked(model)
    assert compaction.dead == {"middle": 1}
    assert compaction.constant == {"a": 1, "middle": 1}
    found = compaction.model.get_layer("middle")
    assert isinstance(found.kernel_constraint, keras.constraints.MaxNorm)
    assert not found.trainable


def test_what_a_normalization_has_adapted_to_is_kept():
    normalization = layers.Normalization(name="left")
    normalization.adapt(np.random.default_rng(0).normal(3, 2, (50, 6)))
    model = keras.Sequential(
        [
            keras.Input((6,)),
            normalization,
            layers.Dense(4, name="a"),
            layers.Dense(3, name="b"),
        ]
    )
    no_outgoing(model, "b", 1)
    no_outgoing(model, "a", 2)
    compaction = checked(model, drop_inputs=True)
    assert (compaction.dead, compaction.inputs) == ({"a": 1}, {"a": 1})


def test_a_constant_that_is_infinite_is_not_folded():
    model = chain(
        (6,),
        layers.Dense(4, activation="exponential", name="a"),
        layers.Dense(3, name="b"),
    )
    set_bias(model, "a", 200)
    no_incoming(model, "a", 0)
    compaction = compact(model)
    assert compaction.removed == 0


@pytest.mark.parametrize("drop_inputs", [False, True])
def test_a_compacted_model_is_compact(drop_inputs):
    model = dense_chain()
    no_incoming(model, "a", 0)
    no_outgoing(model, "b", 1)
    no_outgoing(model, "a", 1)
    once = checked(model, drop_inputs=drop_inputs)
    twice = checked(once.model, drop_inputs=drop_inputs)
    assert once.removed == 2 and twice.removed == 0 and not twice.inputs


LOAD = f"""
import sys, numpy as np, {keras.__name__} as keras
model = keras.models.load_model(sys.argv[1])
values = np.load(sys.argv[2])
found = model.predict(values["x"], verbose=0)  # by another compiler
assert abs(found - values["y"]).max() <= 1e-6 * abs(found).max()
assert not any(name.startswith("tf_lottery") for name in sys.modules)
"""


@pytest.mark.slow
@pytest.mark.parametrize("drop_inputs", [False, True])
def test_a_file_of_a_compacted_model_needs_only_keras(tmp_path, drop_inputs):
    inputs = keras.Input((6,), name="features")
    x = block("nested", 6)(inputs)
    model = drawn(keras.Model(inputs, layers.Add()([x, inputs])))
    no_incoming(model, "nested/dense", 1)
    no_outgoing(model, "nested/dense", 2)
    compaction = checked(model, drop_inputs=drop_inputs)
    assert bool(compaction.inputs) == drop_inputs
    compaction.model.save(tmp_path / "model.keras")
    x = inputs_of(model)
    np.savez(tmp_path / "values.npz", x=x, y=outputs_of(compaction.model, x)[0])
    subprocess.run(
        [sys.executable, "-c", LOAD, "model.keras", "values.npz"],
        cwd=tmp_path,
        check=True,
        env={
            "KERAS_BACKEND": BACKEND or "",
            "TF_USE_LEGACY_KERAS": str(int(not KERAS3)),
            "CUDA_VISIBLE_DEVICES": "-1",
            "PATH": "",
        },
    )
