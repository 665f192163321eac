"""Which weights are pruned and what they are called, over Keras' layers.

Every model is trained with masks through the trainer, so that a layer that is
found but does not hold its mask, or breaks the model, shows.
"""

import numpy as np
import pytest

import tf_lottery
from tests.models import CLASSES, Watch, equal, keras, layers, tf
from tf_lottery.core.plan import Plan
from tf_lottery.pruning.layers import named_layers, named_weights
from tf_lottery.search.rounds import run_rounds
from tf_lottery.training.trainer import Trainer

slow = pytest.mark.slow


def rng():
    return np.random.default_rng(0)


def vectors(n=32, size=6):
    return rng().standard_normal((n, size)).astype(np.float32)


def classes(n=32):
    return rng().integers(0, CLASSES, n)


def classifier(inputs, features):
    model = keras.Model(inputs, layers.Dense(CLASSES, name="logits")(features))
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def trained(model, data, **plan):
    """The trainer and the last of three rounds, watched at every step."""
    watch = Watch()
    batch_size = 8 if isinstance(data, tuple) else None
    plan = Plan(rounds=2, pruning_rate=0.5, batch_size=batch_size, **plan)
    trainer = Trainer(model, data, plan, callbacks=[watch])
    *_, last = run_rounds(trainer, plan)
    assert watch.leaks == 0
    assert last.ticket.density < 0.5
    assert any(
        (last.outcome.weights[path] != last.ticket.weights[path]).any()
        for path in last.ticket.masks
    )
    return trainer, last


def masks_of(model, data, **plan):
    return set(trained(model, data, **plan)[1].ticket.masks)


def sequence_model(*between):
    inputs = keras.Input((5, 4))
    features = inputs
    for layer in between:
        features = layer(features)
    return classifier(inputs, layers.Flatten()(features))


def image_model(*between):
    inputs = keras.Input((6, 6, 2))
    features = inputs
    for layer in between:
        features = layer(features)
    return classifier(inputs, layers.Flatten()(features))


def sequences(n=32):
    return rng().standard_normal((n, 5, 4)).astype(np.float32)


def images(n=32):
    return rng().standard_normal((n, 6, 6, 2)).astype(np.float32)


def test_kernels_are_pruned_and_biases_and_norms_are_not():
    inputs = keras.Input((6,))
    hidden = layers.BatchNormalization(name="norm")(layers.Dense(5, name="a")(inputs))
    found = masks_of(classifier(inputs, hidden), (vectors(), classes()))
    assert found == {"a/kernel", "logits/kernel"}


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
    assert trainer.skipped == ["own (Scale)"]


@keras.saving.register_keras_serializable("tests")
class OwnDense(layers.Dense):
    """A subclass, which tfmot refuses."""


def test_kernels_of_layers_that_tfmot_refuses_are_pruned():
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
        *("einsum/kernel", "times/kernel", "own/kernel", "logits/kernel"),
    }
    assert trainer.skipped == ["prelu (PReLU)"]
    for path, mask in last.ticket.masks.items():
        assert not last.outcome.weights[path][~mask].any()
        assert not mask.all()


def depthwise():
    return image_model(
        layers.DepthwiseConv2D(3, name="depthwise"),
        layers.SeparableConv2D(4, 2, name="separable"),
    )


def test_depthwise_kernels_are_left_alone_unless_asked_for():
    data = (images(), classes())
    usual = {"separable/pointwise_kernel", "logits/kernel"}
    assert masks_of(depthwise(), data) == usual
    assert masks_of(depthwise(), data, layer_rates={"logits": 0.4}) == usual
    asked = {"*/depthwise_kernel": 0.2}
    both = {"depthwise/depthwise_kernel", "separable/depthwise_kernel"}
    assert masks_of(depthwise(), data, layer_rates=asked) == usual | both
    one = {"depthwise/depthwise_kernel": 0.3}
    found = masks_of(depthwise(), data, layer_rates=one)
    assert found == usual | {"depthwise/depthwise_kernel"}
    left = {"*/depthwise_kernel": 0.0}
    _, last = trained(depthwise(), data, layer_rates=left)
    assert last.ticket.masks["depthwise/depthwise_kernel"].all()


def test_a_layer_that_is_called_like_a_depthwise_kernel_keeps_its_bias():
    inputs = keras.Input((6,))
    hidden = layers.Dense(5, name="a_depthwise_kernel")(inputs)
    rates = {"a_depthwise_kernel": 0.5}
    model = classifier(inputs, hidden)
    found = masks_of(model, (vectors(), classes()), layer_rates=rates)
    assert found == {"a_depthwise_kernel/kernel", "logits/kernel"}


def test_depthwise_convolutions_are_not_named_as_what_cannot_be_pruned():
    trainer, _ = trained(depthwise(), (images(), classes()))
    assert not trainer.skipped


@pytest.mark.parametrize("criterion", ["magnitude", "gradient"])
def test_a_ticket_with_depthwise_kernels_can_be_used(tmp_path, criterion):
    model, data = depthwise(), (images(), classes())
    plan = {"layer_rates": {"*/depthwise_kernel": 0.5}, "pruning_rate": 0.5}
    if criterion == "gradient":
        criterion = tf_lottery.gradient(model, data)
    with pytest.warns(UserWarning):
        found = tf_lottery.find_ticket(
            model, data, 1, batch_size=8, criterion=criterion, verbose=0, **plan
        )
    found.save(tmp_path / "ticket.npz")
    again = tf_lottery.Ticket.load(tmp_path / "ticket.npz")
    for made in (found.model("best"), again.model("best"), found.apply(model, "best")):
        kernel = made.get_layer(index=1).layer.depthwise_kernel.numpy()
        assert not kernel[~found.masks["depthwise/depthwise_kernel"]].any()
    moved = tf_lottery.transfer(found, depthwise(), weights=True)
    assert moved.masks == found.masks


def test_a_layer_of_ones_own_takes_part_by_get_prunable_weights():
    inputs = keras.Input((6,))
    model = classifier(inputs, PrunableScale(name="own")(inputs))
    trainer, last = trained(model, (vectors(), classes()))
    assert set(last.ticket.masks) == {"own/matrix", "logits/kernel"}
    assert not trainer.skipped


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


def two_inputs_and_outputs():
    left, right = keras.Input((6,), name="left"), keras.Input((4,), name="right")
    joined = layers.Concatenate()(
        [layers.Dense(5, name="a")(left), layers.Dense(5, name="b")(right)]
    )
    kind = layers.Dense(CLASSES, activation="softmax", name="kind")(joined)
    size = layers.Dense(1, name="size")(joined)
    return [left, right], {"kind": kind, "size": size}


def named_data():
    x = {"left": vectors(), "right": vectors(size=4)}
    return x, {"kind": classes(), "size": vectors(size=1)}


LOSSES = {"kind": "sparse_categorical_crossentropy", "size": "mse"}
WEIGHTS = {"kind": 1.0, "size": 0.5}


@pytest.mark.parametrize("form", ["dataset", "arrays"])
def test_inputs_and_outputs_by_name(form):
    inputs, outputs = two_inputs_and_outputs()
    model = keras.Model(inputs, list(outputs.values()))
    model.compile("sgd", LOSSES, metrics={"kind": ["acc"]}, loss_weights=WEIGHTS)
    data = named_data()
    if form == "dataset":
        data = tf.data.Dataset.from_tensor_slices(data).batch(8)
    trainer, last = trained(model, data)
    assert set(last.ticket.masks) == {
        f"{name}/kernel" for name in ("a", "b", "kind", "size")
    }
    assert {"loss", "kind_loss", "size_loss", "kind_acc"} <= set(last.outcome.metrics)
    assert trainer.monitors[0] == "kind_acc"


def test_a_model_whose_inputs_and_outputs_are_dicts():
    inputs, outputs = two_inputs_and_outputs()
    outputs = {"first": outputs["kind"], "second": outputs["size"]}
    model = keras.Model({t.name: t for t in inputs}, outputs)
    losses = dict(zip(outputs, LOSSES.values(), strict=True))
    model.compile("sgd", losses, metrics={"first": ["acc"]})
    x, y = named_data()
    y = {"first": y["kind"], "second": y["size"]}
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    expected = model.evaluate(dataset, return_dict=True, verbose=0)
    trainer = Trainer(model, dataset, Plan(), validation_data=dataset)
    found = trainer.evaluate(trainer.dense())
    assert found == pytest.approx({f"val_{k}": v for k, v in expected.items()})
    trained(model, dataset)


@pytest.mark.parametrize("kind", [list, tuple])
def test_inputs_by_position(kind):
    inputs, outputs = two_inputs_and_outputs()
    model = keras.Model(inputs, outputs["kind"])
    model.compile("sgd", "sparse_categorical_crossentropy")
    x = named_data()[0]
    data = (kind([x["left"], x["right"]]), classes())
    _, last = trained(model, data)
    assert len(last.ticket.masks) == 3


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


@pytest.mark.parametrize("rank", [1, 2])
def test_an_unbuilt_sequential_model_is_built_from_the_data_and_stays_unbuilt(rank):
    model = keras.Sequential(
        [layers.Dense(5, name="a"), layers.Flatten(), layers.Dense(CLASSES)]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    x = vectors() if rank == 1 else sequences()
    _, last = trained(model, (x, classes()))
    assert last.ticket.masks["a/kernel"].shape == (x.shape[-1], 5)
    assert not model.built


def test_an_unbuilt_model_takes_any_batch_size_afterwards():
    model = keras.Sequential([layers.Dense(5), layers.Dense(CLASSES)])
    model.compile("sgd", "sparse_categorical_crossentropy")
    data = tf.data.Dataset.from_tensor_slices((vectors(), classes()))
    trainer = Trainer(model, data.batch(8, drop_remainder=True), Plan())
    assert trainer.model.input_shape == (None, 6)
