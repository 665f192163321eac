"""What the train function holds: nothing that dense training does not do."""

import collections

import numpy as np
import pytest

from tests.models import (
    CLASSES,
    FEATURES,
    Watch,
    arrays,
    batches,
    compiled,
    keras,
    layers,
    mirrored,
    tf,
    tiny,
    with_state,
)
from tf_lottery import Plan
from tf_lottery.bindings.tf_keras._imports import sparsity
from tf_lottery.bindings.tf_keras.tfmot.wrap import copy_model
from tf_lottery.search.rounds import run_rounds
from tf_lottery.training.trainer import Trainer

slow = pytest.mark.slow
COLLECTIVE = ("Collective", "Nccl", "AllReduce", "CrossReplica")
# What runs on the host, and so not on a TPU.
HOST = ("PyFunc", "EagerPyFunc", "PyFuncStateless", "Assert", "Print", "PrintV2")


def operations(model, dataset):
    """How often each type of operation is in the compiled train function."""
    with model.distribute_strategy.scope():
        model.make_train_function()
        strategy = model.distribute_strategy
        iterator = iter(strategy.experimental_distribute_dataset(dataset))
        traced = model.train_tf_function.get_concrete_function(iterator)
    graph = traced.graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    return collections.Counter(node.op for node in nodes)


def count(found, kinds):
    return sum(n for op, n in found.items() if any(kind in op for kind in kinds))


@pytest.mark.slow
def test_masks_add_no_collective_operation():
    with mirrored().scope():
        dense = compiled(with_state())
        stock = compiled(
            sparsity.prune_low_magnitude(
                copy_model(with_state()),
                pruning_schedule=sparsity.ConstantSparsity(0.5, 0),
            )
        )
    masked = Trainer(dense, batches(), Plan()).model
    found = [
        count(operations(model, batches()), COLLECTIVE)
        for model in (dense, masked, stock)
    ]
    assert found[0] == found[1] > 0
    assert found[2] > found[1], "the count sees what tfmot adds"


def conv():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((FEATURES,)),
            layers.Reshape((4, 2, 1)),
            layers.Conv2D(3, 2, padding="same", use_bias=False, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(CLASSES, name="logits"),
        ]
    )


def residual():
    keras.utils.set_random_seed(1)
    x = features = keras.Input((FEATURES,))
    x = layers.Dense(FEATURES, activation="relu", name="inner")(x)
    x = layers.Add()([x, features])
    x = layers.GlobalAveragePooling1D()(layers.Reshape((FEATURES, 1))(x))
    return keras.Model(features, layers.Dense(CLASSES, name="logits")(x))


def recurrent():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((FEATURES,)),
            layers.Embedding(10, 4, name="words"),
            layers.GRU(5, name="gru"),
            layers.Dense(CLASSES, name="logits"),
        ]
    )


FAMILIES = {
    "dense": tiny,
    "norm and dropout": with_state,
    "conv": conv,
    "residual": residual,
    "recurrent": recurrent,
}


def static(family):
    x, y = arrays()
    if family == "recurrent":
        x = np.clip(np.abs(x * 4), 0, 9).astype(np.int32)
    data = tf.data.Dataset.from_tensor_slices((x, y))
    return data.batch(16, drop_remainder=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "family", [f if f != "recurrent" else pytest.param(f, marks=slow) for f in FAMILIES]
)
def test_the_masked_step_compiles_under_xla_and_holds_no_host_operation(family):
    """The stand-in for a TPU: static shapes, XLA, nothing on the host."""
    watch, data = Watch(), static(family)
    model = compiled(FAMILIES[family](), jit_compile=True)
    plan = Plan(rounds=1, pruning_rate=0.5)
    trainer = Trainer(model, data, plan, callbacks=[watch])
    rounds = list(run_rounds(trainer, plan))
    assert trainer.model.jit_compile
    assert rounds[1].ticket.density < 0.6
    assert watch.calls > 0
    assert watch.leaks == 0
    found = operations(trainer.model, data)
    assert count(found, HOST) == count(found, ["Summary"]) == 0


def test_a_host_operation_would_be_seen():
    class Noisy(layers.Layer):
        def call(self, inputs):
            return inputs + tf.reshape(tf.py_function(lambda: 0.0, [], tf.float32), ())

    model = keras.Sequential([keras.Input((FEATURES,)), Noisy(), layers.Dense(CLASSES)])
    assert count(operations(compiled(model), batches()), HOST) > 0
