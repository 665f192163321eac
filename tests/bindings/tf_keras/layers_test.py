"""Which weights are pruned and what they are called, over Keras' layers."""

import numpy as np
import pytest

from tests.bindings.tf_keras.pruned import (
    classes,
    classifier,
    image_model,
    images,
    masks_of,
    rng,
    sequence_model,
    sequences,
    trained,
    vectors,
)
from tests.models import CLASSES, equal, keras, layers, tf
from tf_lottery.bindings.tf_keras._imports import sparsity
from tf_lottery.bindings.tf_keras.layers import named_layers, named_weights
from tf_lottery.core.plan import Plan
from tf_lottery.training.trainer import Trainer


def test_kernels_are_pruned_and_biases_and_norms_are_not():
    inputs = keras.Input((6,))
    hidden = layers.BatchNormalization(name="norm")(layers.Dense(5, name="a")(inputs))
    found = masks_of(classifier(inputs, hidden), (vectors(), classes()))
    assert found == {"a/kernel", "logits/kernel"}


@pytest.mark.slow
def test_recurrent_layers_lose_kernels_and_recurrent_kernels():
    lstm = layers.LSTM(4, return_sequences=True, name="lstm", dropout=0.1)
    model = sequence_model(lstm, layers.GRU(3, name="gru"))
    assert masks_of(model, (sequences(), classes())) == {
        "lstm/lstm_cell/kernel",
        "lstm/lstm_cell/recurrent_kernel",
        "gru/gru_cell/kernel",
        "gru/gru_cell/recurrent_kernel",
        "logits/kernel",
    }


@pytest.mark.slow
def test_an_embedding_is_pruned_and_its_padding_mask_still_works():
    inputs = keras.Input((5,), dtype="int32")
    words = layers.Embedding(11, 4, mask_zero=True, name="words")
    lstm = layers.LSTM(3, name="lstm")
    model = classifier(inputs, lstm(words(inputs)))
    tokens = rng().integers(0, 3, (32, 5))  # a third is padding
    trainer, last = trained(model, (tokens, classes()))
    assert "words/embeddings" in last.ticket.masks
    trainer.evaluate(trainer.dense())  # the model has its first weights again
    outputs = trainer.model(tokens).numpy()
    assert (outputs == model(tokens).numpy()).all()
    words.mask_zero = False
    assert (outputs != model(tokens).numpy()).any()


def test_convolutions_are_pruned():
    model = image_model(
        layers.Conv2D(3, 3, name="conv"),
        layers.SeparableConv2D(4, 2, name="separable"),
        layers.Conv2DTranspose(2, 2, name="transpose"),
    )
    assert masks_of(model, (images(), classes())) == {
        "conv/kernel",
        "separable/pointwise_kernel",
        "transpose/kernel",
        "logits/kernel",
    }


def test_one_dimensional_convolutions_are_pruned():
    model = sequence_model(layers.Conv1D(3, 2, name="conv"))
    found = masks_of(model, (sequences(), classes()))
    assert found == {"conv/kernel", "logits/kernel"}


@pytest.mark.parametrize("name", ["a/b", "block/block/dense"])
def test_names_of_layers_may_have_slashes(name):
    inputs = keras.Input((6,))
    hidden = layers.Dense(5, name=name)(inputs)
    found = masks_of(classifier(inputs, hidden), (vectors(), classes()))
    assert found == {f"{name}/kernel", "logits/kernel"}


def test_a_layer_that_is_built_in_a_wrapper_has_the_path_of_one_that_is_not():
    inner = [layers.Dense(5, name="a/b"), layers.Dense(CLASSES, name="logits")]
    wrapped = keras.Sequential(
        [keras.Input((6,)), *map(sparsity.prune_low_magnitude, inner)]
    )
    assert [path for path in named_weights(wrapped) if "kernel" in path] == [
        "a/b/kernel",
        "logits/kernel",
    ]


@pytest.mark.parametrize("other", [False, True], ids=["self", "of another input"])
def test_attention_loses_its_four_projections(other):
    inputs = keras.Input((5, 4))
    value = layers.Dense(4, name="value")(inputs) if other else inputs
    attended = layers.MultiHeadAttention(2, 3, name="heads")(inputs, value)
    model = classifier(inputs, layers.Flatten()(attended))
    found = masks_of(model, (sequences(), classes()))
    parts = ("query", "key", "value", "attention_output")
    assert {f"heads/{part}/kernel" for part in parts} <= found


def test_attention_of_the_copy_gives_the_outputs_of_the_model():
    inputs, memory = keras.Input((5, 4)), keras.Input((3, 4))
    attended = layers.MultiHeadAttention(2, 3)(inputs, memory)
    model = classifier([inputs, memory], layers.Flatten()(attended))
    data = (sequences(), sequences()[:, :3])
    dataset = tf.data.Dataset.from_tensor_slices((data, classes())).batch(8)
    trainer = Trainer(model, dataset, Plan())
    np.testing.assert_allclose(trainer.model(data), model(data), atol=1e-6)


def test_a_shared_layer_counts_once():
    inputs = keras.Input((6,))
    shared = layers.Dense(6, name="shared")
    model = classifier(inputs, shared(shared(inputs)))
    _, last = trained(model, (vectors(), classes()))
    assert last.ticket.masks.size == 36 + 18


def test_nested_models_give_paths_and_layers_shared_across_them_count_once():
    inputs = keras.Input((6,))
    shared = layers.Dense(6, name="shared")
    block = keras.Sequential(
        [keras.Input((6,)), shared, layers.Dense(6, name="own")], name="block"
    )
    outer = keras.Sequential([keras.Input((6,)), block], name="outer")
    model = classifier(inputs, block(outer(shared(inputs))))
    _, last = trained(model, (vectors(), classes()))
    assert set(last.ticket.masks) == {
        "shared/kernel",
        "outer/block/own/kernel",
        "logits/kernel",
    }


def test_two_nested_models_with_layers_of_one_name_have_two_paths():
    def block(name):
        return keras.Sequential(
            [keras.Input((6,)), layers.Dense(6, name="dense")], name=name
        )

    inputs = keras.Input((6,))
    model = classifier(inputs, block("left")(block("right")(inputs)))
    found = masks_of(model, (vectors(), classes()))
    assert {"left/dense/kernel", "right/dense/kernel"} <= found


def test_frozen_layers_are_left_alone():
    inputs = keras.Input((6,))
    frozen = layers.Dense(6, name="frozen", trainable=False)
    model = classifier(inputs, frozen(inputs))
    _, last = trained(model, (vectors(), classes()))
    assert set(last.ticket.masks) == {"logits/kernel"}
    assert (last.outcome.weights["frozen/kernel"] == frozen.kernel.numpy()).all()


def test_a_frozen_nested_model_is_left_alone():
    block = keras.Sequential(
        [keras.Input((6,)), layers.Dense(6, name="dense")], name="block"
    )
    block.trainable = False
    inputs = keras.Input((6,))
    _, last = trained(classifier(inputs, block(inputs)), (vectors(), classes()))
    assert set(last.ticket.masks) == {"logits/kernel"}


def test_a_batch_norm_that_is_frozen_keeps_its_statistics():
    norm = layers.BatchNormalization(name="norm", trainable=False)
    inputs = keras.Input((6,))
    model = classifier(inputs, norm(layers.Dense(6, name="dense")(inputs)))
    _, last = trained(model, (vectors(), classes()))
    assert (last.outcome.weights["norm/moving_mean"] == 0).all()


def test_operations_and_lambdas_in_the_graph_are_no_obstacle():
    inputs = keras.Input((6,))
    features = layers.Dense(6, name="dense")(inputs)
    features = tf.nn.relu(features * 2.0 + 1.0)[:, :4]
    features = layers.Lambda(lambda t: t * 2.0)(features)
    found = masks_of(classifier(inputs, features), (vectors(), classes()))
    assert found == {"dense/kernel", "logits/kernel"}


def test_names_are_those_of_the_model_without_wrappers():
    inputs = keras.Input((6,))
    model = classifier(inputs, layers.Dense(6, name="dense")(inputs))
    trainer = Trainer(model, (vectors(), classes()), Plan())
    assert list(named_layers(trainer.model)) == list(named_layers(model))
    assert list(named_weights(trainer.model)) == list(named_weights(model))
    mine, theirs = named_weights(trainer.model), named_weights(model)
    assert equal(
        {name: weight.numpy() for name, weight in mine.items()},
        {name: weight.numpy() for name, weight in theirs.items()},
    )
