"""Data that do not fit the model get one clear error, before anything is trained."""

import numpy as np
import pytest

from tests.bindings.tf_keras.forms import seeded_data
from tests.models import CLASSES, EXAMPLES, FEATURES, arrays, keras, tf
from tf_lottery.bindings.tf_keras.checks.examples import check_examples
from tf_lottery.core.plan import Plan
from tf_lottery.training.trainer import Trainer

layers = keras.layers
slices = tf.data.Dataset.from_tensor_slices
X, Y = arrays()
SPARSE = keras.losses.SparseCategoricalCrossentropy


def classifier(loss=None, units=CLASSES):
    model = keras.Sequential(
        [keras.Input((FEATURES,), name="features"), layers.Dense(units, name="logits")]
    )
    model.compile("sgd", SPARSE(from_logits=True) if loss is None else loss)
    return model


def two_inputs(as_dict=False):
    a, b = keras.Input((FEATURES,), name="left"), keras.Input((FEATURES,), name="right")
    out = layers.Dense(CLASSES, name="logits")(layers.Concatenate()([a, b]))
    model = keras.Model({"one": a, "two": b} if as_dict else [a, b], out)
    model.compile("sgd", SPARSE(from_logits=True))
    return model


def two_outputs(as_dict=False):
    x = keras.Input((FEATURES,), name="features")
    kind, size = layers.Dense(CLASSES, name="kind")(x), layers.Dense(1, name="size")(x)
    model = keras.Model(x, {"kind": kind, "size": size} if as_dict else [kind, size])
    model.compile("sgd", {"kind": SPARSE(from_logits=True), "size": "mse"})
    return model


def check(model, data, **more):
    check_examples(model, seeded_data(data, **more))


def refused(model, data, said, error=ValueError, **more):
    with pytest.raises(error, match=said) as caught:
        check(model, data, **more)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def both(*parts):
    """The same as arrays and as a dataset."""
    return parts, slices(parts).batch(16)


# Names.


@pytest.mark.parametrize("form", [0, 1], ids=["arrays", "dataset"])
@pytest.mark.parametrize("as_dict", [False, True])
def test_keys_of_inputs_are_held_against_the_model(form, as_dict):
    one, two = ("one", "two") if as_dict else ("left", "right")
    model, close = two_inputs(as_dict), two[:-1] + "x"
    check(model, both({one: X, two: X, "more": Y}, Y)[form])
    data = both({one: X, close: X}, Y)[form]
    refused(model, data, f"'{one}', '{two}'. Received: '{one}', '{close}'. Did you")
    refused(model, both({one: X}, Y)[form], f"Received: '{one}'")


def test_a_key_is_never_taken_by_its_position():
    refused(classifier(), ({"nope": X}, Y), "'features'. Received: 'nope'")


@pytest.mark.parametrize("as_dict", [False, True])
def test_keys_of_targets_are_held_against_the_outputs(as_dict):
    model, size = two_outputs(as_dict), X[:, :1]
    check(model, (X, {"kind": Y, "size": size}))
    check(model, (X, {"kind": Y}))  # as Keras: the other output is not trained
    message = "targets of .* outputs: 'kind', 'size'. Rec.*Did you write 'knid' for"
    refused(model, (X, {"knid": Y, "size": size}), message)
    weights = {"kind": np.ones(EXAMPLES), "sizes": np.ones(EXAMPLES)}
    refused(
        model,
        (X, {"kind": Y, "size": size}, weights),
        "sample weights of .*'sizes' for 'size'",
    )


def test_each_part_of_the_data_is_named():
    wrong = ({"feature": X}, Y)
    for name in ("validation", "test"):
        refused(classifier(), (X, Y), f"`{name}_data`", **{name: wrong})


# Kinds of inputs.


def test_strings_for_numbers_and_numbers_for_strings():
    words = np.array(["word"] * EXAMPLES, object)
    refused(classifier(), (words, Y), "string for the input 'features' of float32")
    text = keras.Input((FEATURES,), dtype=tf.string, name="text")
    model = keras.Model(text, layers.Dense(CLASSES)(layers.Hashing(4)(text)))
    model.compile("sgd", SPARSE())
    refused(model, (X, Y), "'text' of string. Pass strings")


def test_ragged_rows_for_a_model_that_cannot_take_them():
    ragged = tf.RaggedTensor.from_row_lengths(np.ones(192), [1, 3] * 48)
    x = keras.Input((None,), name="x")
    model = keras.Model(x, layers.Dense(3)(layers.Conv1D(2, 1)(x[..., None])[:, 0]))
    model.compile("sgd", SPARSE())
    refused(model, (ragged, Y), "`dataset`, Ragged.*`ragged=True`")


# Targets and losses.


@pytest.mark.parametrize("form", [0, 1], ids=["arrays", "dataset"])
def test_one_hot_labels_with_a_sparse_loss(form):
    data = both(X, np.eye(CLASSES)[Y])[form]
    refused(classifier(), data, "They look one-hot: use the loss categorical_cross")
    refused(classifier("sparse_categorical_crossentropy"), data, "one-hot")


def test_class_numbers_with_a_categorical_loss():
    model = classifier("categorical_crossentropy")
    for labels in (Y, Y[:, None]):
        refused(model, (X, labels), "need the loss sparse_categorical_crossentropy")


def test_class_numbers_of_each_position():
    x = keras.Input((4, 2), name="x")
    model = keras.Model(x, layers.Dense(CLASSES)(x))
    model.compile("sgd", SPARSE(from_logits=True))
    x, y = np.zeros((8, 4, 2)), np.zeros((8, 4))
    check(model, (x, y))
    check(model, (x, y[..., None]))
    refused(model, (x, np.zeros((8, 3))), "one class number for each output")


@pytest.mark.parametrize("form", [0, 1], ids=["arrays", "dataset"])
def test_classes_that_the_model_does_not_have(form):
    for labels, found in ((Y + 1, "Received: 3 in"), (Y - 1, "Received: -1 in")):
        refused(classifier(), both(X, labels)[form], f"from 0 to 2.*{found}")
    check(classifier(), both(X, Y.astype(np.uint8))[form])


def test_the_class_that_a_loss_ignores_is_none_of_the_models():
    labels = np.where(Y == 2, 255, Y)
    check(classifier(SPARSE(from_logits=True, ignore_class=255)), (X, labels))
    refused(classifier(), (X, labels), "Received: 255 in")


def test_a_loss_of_ones_own_may_have_classes_of_its_own():
    class Shifted(SPARSE):
        def call(self, y_true, y_pred):
            return super().call(y_true - 1, y_pred)

    check(classifier(Shifted(from_logits=True)), (X, Y + 1))


def test_classes_of_validation_and_test_are_looked_at():
    for name in ("validation", "test"):
        refused(classifier(), (X, Y), f"`{name}_data`", **{name: (X, Y + 1)})


def test_a_dataset_that_shuffles_is_not_read():
    """That would change the order in which it is trained on."""
    check(classifier(), slices((X, Y + 1)).shuffle(9, seed=0).batch(16))


def test_the_first_batch_of_a_sequence_is_looked_at():
    class Sequence(keras.utils.Sequence):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return X[:16], Y[:16] + 1

    refused(classifier(), Sequence(), "Received: 3 in")


def test_targets_outside_of_0_and_1_of_a_binary_loss_are_a_warning():
    model = classifier("binary_crossentropy", 1)
    with pytest.warns(UserWarning, match="from 0 to 1. Received: targets .* to 2"):
        check(model, (X, Y))


def test_a_model_with_a_loss_of_its_own_takes_any_targets():
    class Own(keras.Sequential):
        def train_step(self, data):
            return {}

    model = Own([keras.Input((FEATURES,)), layers.Dense(CLASSES)])
    model.compile("sgd", SPARSE(from_logits=True))
    check(model, (X, np.eye(CLASSES)[Y] + 7))
    check(model, X)
    check(model, ({"anchor": X, "positive": X}, None))


@pytest.mark.parametrize("form", [0, 1], ids=["arrays", "dataset"])
def test_x_alone_needs_a_model_that_brings_its_loss(form):
    data = (X, slices(X).batch(16))[form]
    refused(classifier(), data, r"Pass \(x, y\)", (TypeError, ValueError)[form])


# Values.


def spoiled(value=np.nan):
    x = X.copy()
    x[3, 2] = x[5, 1] = value
    return x


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_inputs_that_are_not_finite(value):
    kind = "NaN" if np.isnan(value) else "infinite"
    said = f"2 {kind} of 768 values in 2 of 96 rows"
    refused(classifier(), (spoiled(value), Y), said)
    for name in ("validation", "test"):
        refused(classifier(), (X, Y), f"`{name}_data`", **{name: (spoiled(value), Y)})


def test_the_input_that_is_not_finite_is_named():
    refused(two_inputs(), ({"left": X, "right": spoiled()}, Y), "2 NaN .* of 'right'")


def test_a_model_may_replace_what_is_not_finite():
    x = keras.Input((FEATURES,), name="x")
    known = layers.Lambda(lambda t: tf.where(tf.math.is_nan(t), 0.0, t))(x)
    model = keras.Model(x, layers.Dense(CLASSES)(known))
    model.compile("sgd", SPARSE(from_logits=True))
    check(model, (spoiled(), Y))


def test_targets_and_sample_weights_that_are_not_finite():
    model, y = classifier("mse", 1), X[:, 0].copy()
    y[7] = np.nan
    refused(model, (X, y), "targets of `dataset` must be finite. Received: 1 NaN of 96")
    refused(model, (X, X[:, 0], y), "sample weights of `dataset` must be finite")


def test_a_loss_of_ones_own_may_leave_out_nan():
    def known(y, outputs):
        return tf.reduce_mean(tf.where(tf.math.is_nan(y), 0.0, y - outputs) ** 2)

    check(classifier(known, 1), (X, np.full((EXAMPLES, 1), np.nan)))


def test_validation_without_a_loss_is_refused():
    class Own(keras.Model):
        def train_step(self, data):
            x, _ = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self(x, training=True) - 1.0) ** 2)
            self.optimizer.minimize(loss, self.trainable_variables, tape=tape)
            return {"loss": loss}

    inputs = keras.Input((FEATURES,))
    model = Own(inputs, keras.layers.Dense(CLASSES)(inputs))
    model.compile("sgd")
    Trainer(model, arrays(), Plan(rounds=1))
    with pytest.raises(ValueError, match="needs a loss"):
        Trainer(model, arrays(), Plan(rounds=1), validation_data=arrays())


def test_one_target_in_a_list_is_one_error():
    model = classifier()
    model.compile("sgd", SPARSE(from_logits=True), metrics=["accuracy"])
    refused(model, (X, [Y]), r"targets of `dataset`.*Pass y itself, not a list")
    check(classifier(), (X, [Y]))  # which fit takes where it has no metrics


class Evaluating(keras.Model):
    def evaluate(self, *args, **kwargs):
        return super().evaluate(*args, **kwargs)["loss"]


def test_an_evaluate_of_ones_own_is_refused_where_it_would_be_used():
    x = keras.Input((FEATURES,), name="features")
    model = Evaluating(x, layers.Dense(CLASSES, name="logits")(x))
    model.compile("sgd", SPARSE(from_logits=True))
    Trainer(model, (X, Y), Plan())
    with pytest.raises(ValueError, match=r"Evaluating, which has an `evaluate`.*_step"):
        Trainer(model, (X, Y), Plan(), validation_data=(X, Y))
