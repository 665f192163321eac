"""Units where a network branches: those that are added up are one."""

import numpy as np
import pytest

from tests.bindings.exporting.compacting import (
    ONE_EACH,
    checked,
    drawn,
    no_incoming,
    no_outgoing,
    set_bias,
)
from tests.bindings.exporting.subject import graph, keras, layers
from tf_lottery.bindings.shared.exporting.units import analyse


def residual(constant_in=(), dead=(), merge=None):
    """Two branches from one layer, merged, and a layer behind."""
    inputs = keras.Input((6,))
    x = layers.Dense(5, activation="relu", name="stem")(inputs)
    a = layers.Dense(4, activation="relu", name="a")(x)
    b = layers.Dense(4, activation="relu", name="b")(x)
    merged = (merge or layers.Add)(name="merged")([a, b])
    outputs = layers.Dense(3, name="c")(merged)
    model = drawn(keras.Model(inputs, outputs))
    for path in ("a", "b"):
        set_bias(model, path, 0.7)
    for path in constant_in:
        no_incoming(model, path, 0)
    no_outgoing(model, "c", *dead)
    return model


MERGING = [
    layers.Add,
    layers.Average,
    layers.Multiply,
    layers.Maximum,
    layers.Minimum,
]


@pytest.mark.parametrize("merge", MERGING)
def test_merged_units_are_one(merge):
    assert checked(residual(dead=[1], merge=merge)).dead == {"a": 1, "b": 1}


@pytest.mark.parametrize("merge", MERGING)
def test_a_unit_that_is_constant_in_one_branch_stays(merge):
    compaction = checked(residual(constant_in=["a"], merge=merge))
    assert compaction.removed == 0 and not compaction.left


@pytest.mark.parametrize("merge", MERGING)
def test_a_unit_that_is_constant_in_all_branches_is_folded(merge):
    compaction = checked(residual(constant_in=["a", "b"], merge=merge))
    assert compaction.constant == {"a": 1, "b": 1}


def test_a_merge_that_broadcasts_is_left_and_named():
    inputs = keras.Input((6,))
    a = layers.Dense(4, name="a")(inputs)
    b = layers.Dense(1, name="b")(inputs)
    merged = layers.Multiply(name="merged")([a, b])
    model = drawn(keras.Model(inputs, layers.Dense(3, name="c")(merged)))
    no_outgoing(model, "c", 1)
    assert checked(model).left == {"merged": "it broadcasts"}


@pytest.mark.parametrize("layer", [layers.Subtract, layers.Dot])
def test_other_merges_are_left_and_named(layer):
    inputs = keras.Input((6,))
    branches = [layers.Dense(4, name=name)(inputs) for name in "ab"]
    options = {"axes": -1} if layer is layers.Dot else {}
    merged = layer(name="merged", **options)(branches)
    model = drawn(keras.Model(inputs, layers.Dense(3, name="c")(merged)))
    no_outgoing(model, "c", 0)
    assert list(checked(model).left) == ["merged"]


def test_a_unit_is_kept_by_either_of_its_uses():
    inputs = keras.Input((6,))
    x = layers.Dense(4, name="a")(inputs)
    outputs = [layers.Dense(2, name=name)(x) for name in ("one", "two")]
    model = drawn(keras.Model(inputs, outputs))
    no_outgoing(model, "one", 0, 1)
    no_outgoing(model, "two", 1, 2)
    assert checked(model).dead == {"a": 1}
    # What "one" alone does not use is no input: a gather would not make it less.
    assert not checked(model, drop_inputs=True).inputs


def test_a_chain_of_residual_blocks_shares_its_units():
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(4, 3, padding="same", name="stem")(inputs)
    for number in range(2):
        y = layers.BatchNormalization(name=f"norm{number}")(x)
        y = layers.ReLU()(y)
        y = layers.Conv2D(3, 3, padding="same", name=f"in{number}")(y)
        y = layers.Conv2D(4, 3, padding="same", name=f"out{number}")(y)
        x = layers.Add()([x, y])
    x = layers.GlobalAveragePooling2D()(x)
    model = drawn(keras.Model(inputs, layers.Dense(3, name="logits")(x)))
    no_outgoing(model, "logits", 2)
    no_outgoing(model, "in1", 2)
    assert checked(model).removed == 0  # the first block uses it
    no_outgoing(model, "in0", 2)
    no_outgoing(model, "out1", 0)
    assert checked(model).dead == {"stem": 1, "out0": 1, "out1": 1, "in1": 1}


def test_what_is_added_to_itself_is_one_unit():
    inputs = keras.Input((6,))
    x = layers.Dense(4, name="a")(inputs)
    x = layers.Add()([x, x])
    model = drawn(keras.Model(inputs, layers.Dense(3, name="b")(x)))
    no_incoming(model, "a", 0)
    no_outgoing(model, "b", 1)
    compaction = checked(model)
    assert (compaction.dead, compaction.constant) == ONE_EACH


def test_what_is_added_to_an_input_stays():
    inputs = keras.Input((4,))
    x = layers.Dense(4, name="a")(inputs)
    x = layers.Add()([x, inputs])
    model = drawn(keras.Model(inputs, layers.Dense(3, name="b")(x)))
    no_incoming(model, "a", 0)
    no_outgoing(model, "b", 1)
    assert checked(model).removed == 0


def test_something_added_that_is_no_unit_is_left():
    inputs = keras.Input((6,))
    x = layers.Dense(4, name="a")(inputs)
    x = layers.Add(name="plus")([x, graph.tensor(np.ones((1, 4), np.float32))])
    model = drawn(keras.Model(inputs, layers.Dense(3, name="b")(x)))
    no_incoming(model, "a", 0)
    no_outgoing(model, "b", 1)
    # Keras cannot copy it, but what is followed may be loaded, too.
    analysis = analyse(graph, model)
    assert list(analysis.left) == ["plus"] and analysis.needed.all()


def test_concatenated_units_keep_their_place():
    inputs = keras.Input((6,))
    a = layers.Dense(4, name="a")(inputs)
    b = layers.Dense(3, name="b")(inputs)
    x = layers.Concatenate()([a, inputs, b])
    model = drawn(keras.Model(inputs, layers.Dense(3, name="c")(x)))
    no_incoming(model, "a", 1)
    no_outgoing(model, "c", 5, 12)
    compaction = checked(model)
    assert (compaction.dead, compaction.constant) == ({"b": 1}, {"a": 1})


def test_concatenation_along_another_axis_is_left():
    inputs = keras.Input((5, 2))
    branches = [layers.Conv1D(4, 1, name=name)(inputs) for name in "ab"]
    x = layers.Concatenate(axis=1, name="joined")(branches)
    model = drawn(keras.Model(inputs, layers.Conv1D(3, 1, name="c")(x)))
    no_outgoing(model, "c", 1)
    assert list(checked(model).left) == ["joined"]
