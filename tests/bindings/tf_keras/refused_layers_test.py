"""Layers that tfmot refuses, whose kernels are pruned by our own rule."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.bindings.tf_keras.pruned import (
    classes,
    classifier,
    sequences,
    trained,
    vectors,
)
from tests.models import CLASSES, compiled, keras, layers
from tf_lottery.bindings.tf_keras._imports import sparsity
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.bindings.tf_keras.live import Live
from tf_lottery.bindings.tf_keras.tfmot.wrap import mask_variables, wrap
from tf_lottery.core.masks import Masks


@keras.saving.register_keras_serializable("tests")
class Scale(layers.Layer):
    """A layer of one's own with a matrix that tfmot does not know."""

    def build(self, shape):
        self.matrix = self.add_weight("matrix", (shape[-1], shape[-1]))

    def call(self, inputs):
        return inputs @ self.matrix


@keras.saving.register_keras_serializable("tests")
class PrunableScale(Scale):
    """The same, but it says what can be pruned."""

    def get_prunable_weights(self):
        return [self.matrix]


@pytest.mark.slow
def test_layers_that_cannot_be_pruned_are_skipped_and_named_once():
    inputs = keras.Input((5, 4))
    own = Scale(name="own")
    features = layers.Bidirectional(layers.LSTM(2, return_sequences=True), name="both")(
        own(own(inputs))
    )
    features = layers.EinsumDense("abc,cd->abd", (5, 4), name="einsum")(features)
    features = layers.LayerNormalization(name="norm")(features)
    model = classifier(inputs, layers.Flatten()(features))
    trainer, last = trained(model, (sequences(), classes()))
    assert "own/matrix" not in last.ticket.masks
    assert trainer._prepared.searched.skipped == ["own (Scale)"]


@keras.saving.register_keras_serializable("tests")
class OwnDense(layers.Dense):
    """A subclass, which tfmot refuses."""


@pytest.mark.slow
def test_kernels_of_layers_that_tfmot_refuses_are_pruned():
    keras.utils.set_random_seed(1)  # some draws leave nothing to learn
    inputs = keras.Input((5, 4))
    lstm = layers.LSTM(2, return_sequences=True, name="lstm")
    features = layers.Bidirectional(lstm, name="both")(inputs)
    features = layers.EinsumDense("abc,cd->abd", (5, 4), name="einsum")(features)
    features = layers.TimeDistributed(layers.Dense(4), name="times")(features)
    features = OwnDense(4, name="own")(features)
    features = layers.PReLU(name="prelu")(features)
    model = classifier(inputs, layers.Flatten()(features))
    trainer, last = trained(model, (sequences(), classes()))
    cells = [f"both/{way}_lstm/lstm_cell" for way in ("forward", "backward")]
    assert set(last.ticket.masks) == {
        *(
            f"{cell}/{name}"
            for cell in cells
            for name in ("kernel", "recurrent_kernel")
        ),
        *("einsum/kernel", "times/dense/kernel", "own/kernel", "logits/kernel"),
    }
    assert trainer._prepared.searched.skipped == ["prelu (PReLU)"]
    for path, mask in last.ticket.masks.items():
        assert not last.outcome.weights[path][~mask].any()
        assert not mask.all()


def test_a_layer_of_ones_own_takes_part_by_get_prunable_weights():
    inputs = keras.Input((6,))
    model = classifier(inputs, PrunableScale(name="own")(inputs))
    trainer, last = trained(model, (vectors(), classes()))
    assert set(last.ticket.masks) == {"own/matrix", "logits/kernel"}
    assert not trainer._prepared.searched.skipped


def layers_of_keras():
    return [
        layers.Bidirectional(layers.LSTM(2, return_sequences=True), name="both"),
        layers.EinsumDense("abc,cd->abd", (5, 4), name="einsum"),
        layers.Dense(2, name="dense"),
    ]


def all_kinds():
    """Layers that tfmot refuses, one that it knows, and a depthwise one."""
    inputs = keras.Input((5, 4))
    between = [
        *layers_of_keras(),
        layers.TimeDistributed(
            keras.Sequential([keras.Input((2,)), layers.Dense(3), layers.Dense(4)]),
            name="times",
        ),
        layers.RNN(
            layers.StackedRNNCells([layers.LSTMCell(2), layers.GRUCell(2)]),
            return_sequences=True,
            name="cells",
        ),
        OwnDense(4, name="own"),
        layers.SeparableConv1D(3, 2, name="separable"),
        layers.Flatten(),
        layers.Dense(CLASSES, name="logits"),
    ]
    return keras.Sequential([inputs, *between])


@pytest.fixture(scope="module")
def masked():
    """A wrapped model with half of its weights."""
    model = compiled(wrap(all_kinds(), asked=["*/depthwise_kernel"]))
    live = Live(model)
    every_second = {
        path: np.arange(np.prod(shape)).reshape(shape) % 2 == 0
        for path, shape in live.shapes.items()
    }
    live.assign(live.read(), Masks(every_second))
    return model


def pruned_values(model):
    """The values of pruned weights by path."""
    weights, masks = named_weights(model), mask_variables(model)
    return {
        path: weight.numpy()[masks[weight.ref()][0].numpy() == 0]
        for path, weight in weights.items()
        if weight.ref() in masks
    }


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".keras", ""])
def test_a_saved_model_loads_with_the_masks_of_all_layers(masked, suffix, tmp_path):
    masked.save(f"{tmp_path}/model{suffix}")
    with sparsity.prune_scope():
        loaded = keras.models.load_model(f"{tmp_path}/model{suffix}")
    x, y = sequences(), classes()
    assert (loaded.predict(x, verbose=0) == masked.predict(x, verbose=0)).all()
    loaded.fit(x, y, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
    found = pruned_values(loaded)
    assert list(found) == list(pruned_values(masked))
    assert all(values.size and not values.any() for values in found.values())


@pytest.mark.slow
def test_another_process_loads_it_as_the_guide_says(tmp_path):
    """Of Keras' layers alone: a layer of one's own must be imported there, too."""
    model = wrap(keras.Sequential([keras.Input((5, 4)), *layers_of_keras()]))
    model.save(tmp_path / "model.keras")
    code = f"""
import tf_keras, tensorflow_model_optimization as tfmot
import tf_lottery.bindings.tf_keras
with tfmot.sparsity.keras.prune_scope():
    loaded = tf_keras.models.load_model({str(tmp_path / "model.keras")!r})
print(*(type(layer).__name__ for layer in loaded.layers))
"""
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.stdout.split() == ["PruneByName", "PruneByName", "PruneLowMagnitude"]


@pytest.mark.slow
def test_keras_and_tfmot_can_copy_and_strip_the_model(masked):
    x = sequences()
    copy = keras.models.clone_model(masked)
    copy.set_weights(masked.get_weights())
    stripped = sparsity.strip_pruning(masked)
    assert list(named_weights(copy)) == list(named_weights(masked))
    for model in (copy, stripped):
        assert (model.predict(x, verbose=0) == masked.predict(x, verbose=0)).all()


def test_a_layer_in_two_layers_is_named_as_its_copies_would_not_share_it():
    inputs = keras.Input((5, 4))
    shared = layers.Dense(4, name="shared")
    features = layers.TimeDistributed(shared, name="times")(shared(inputs))
    model = classifier(inputs, layers.Flatten()(features))
    with pytest.raises(ValueError, match=r"'shared'.*in 'shared' and in 'times'"):
        trained(model, (sequences(), classes()))


def test_a_layer_without_weights_may_be_in_two_layers():
    inputs, relu = keras.Input((5, 4)), layers.ReLU()
    features = layers.Dense(4)(layers.TimeDistributed(relu)(relu(inputs)))
    model = classifier(inputs, layers.Flatten()(features))
    trained(model, (sequences(), classes()))
