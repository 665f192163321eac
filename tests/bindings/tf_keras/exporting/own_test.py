"""Compaction of what tf_keras alone has: wrappers of tfmot, sparse inputs, tensors."""

import numpy as np

from tests.bindings.exporting.compacting import (
    EXACT,
    checked,
    difference,
    drawn,
    inputs_of,
    no_incoming,
    no_outgoing,
    sizes,
)
from tests.bindings.exporting.subject import compact
from tests.models import compiled, keras, layers, tf, with_state
from tf_lottery.bindings.tf_keras.tfmot.wrap import wrap


def test_a_model_in_wrappers_is_compacted():
    model = compiled(wrap(drawn(with_state())))
    hidden = next(each for each in model.layers if "hidden" in each.name).layer
    logits = next(each for each in model.layers if "logits" in each.name).layer
    hidden.kernel.assign(hidden.kernel.numpy() * ([0] + [1] * 5))
    logits.kernel.assign(logits.kernel.numpy() * [[1]] * 6)
    inputs = inputs_of(model)
    compaction = compact(model)
    assert compaction.constant == {"hidden": 1}
    assert difference(compaction.model, model, inputs) <= EXACT
    assert compaction.model.optimizer is None
    assert sizes(compaction.model) == {"hidden": 5, "logits": 3}


def test_a_sparse_input_is_neither_lost_nor_gathered():
    inputs = keras.Input((6,), sparse=True)
    x = layers.Dense(5, name="a")(inputs)
    model = drawn(keras.Model(inputs, layers.Dense(3, name="b")(x)))
    no_outgoing(model, "b", 1)
    no_outgoing(model, "a", 1)
    sparse = tf.sparse.from_dense(np.eye(6, dtype=np.float32))
    compaction = compact(model, drop_inputs=True)
    assert compaction.dead == {"a": 1} and not compaction.inputs
    assert difference(compaction.model, model, sparse) <= EXACT


def test_a_size_that_is_open_is_left_and_named():
    inputs = keras.Input((6,))
    x = layers.Dense(4, name="a")(inputs)
    x = x / tf.cast(tf.shape(x)[1], tf.float32)
    model = drawn(keras.Model(inputs, layers.Dense(3, name="b")(x)))
    no_incoming(model, "a", 0)
    no_outgoing(model, "b", 1)
    compaction = checked(model)
    assert compaction.removed == 0 and compaction.left
