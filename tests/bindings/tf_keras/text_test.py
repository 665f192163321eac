"""Text, labels and numbers as a newcomer passes them: they train, or are refused."""

import warnings

import numpy as np
import pytest

from tests.models import CLASSES, arrays, compiled, keras, tf, tiny
from tf_lottery import Ticket, TicketError, find_ticket
from tf_lottery.core.plan import Plan
from tf_lottery.training.trainer import Trainer

layers = keras.layers
slices = tf.data.Dataset.from_tensor_slices
TEXTS = ["a good film", "a bad film", "a nice day", "an awful day"] * 8
Y = [1, 0, 1, 0] * 8


def classifier(*before, shape=(1,), dtype="string", named=True):
    """A classifier of what layers make of the inputs; inside, ids of words."""
    first = [keras.Input(shape, dtype=dtype)] * named
    last = [
        layers.Embedding(20, 4, name="embedding"),
        layers.GlobalAveragePooling1D(),
        layers.Dense(1, activation="sigmoid", name="logits"),
    ]
    model = keras.Sequential([*first, *before, *last])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


def words(adapt=True):
    found = layers.TextVectorization(20, output_sequence_length=4, name="words")
    if adapt:
        found.adapt(TEXTS)
    return found


def trained(model, data):
    trainer = Trainer(model, data, Plan(epochs=2), validation_data=data)
    return trainer.train(trainer.dense())


def refused(model, data, said):
    with pytest.raises(ValueError, match=said) as caught:
        Trainer(model, data, Plan())
    assert "\n" not in str(caught.value)


# Text.


NUMBERS = np.ones((32, 1), np.float32)
COLUMN = np.array(TEXTS)[:, None]
FORMS = {
    "list": (TEXTS, Y),
    "list of lists": ([[text] for text in TEXTS], Y),
    "array": (np.array(TEXTS), np.array(Y)),
    "objects": (np.array(TEXTS, object), np.array(Y)),
    "column": (COLUMN, np.array(Y)[:, None]),
    "tensor": (tf.constant(TEXTS), Y),
}


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1,), ()], ids=str)
def test_text_trains_in_each_form_and_to_the_same_weights(shape):
    outcomes = {
        form: trained(classifier(words(), shape=shape), data)
        for form, data in FORMS.items()
    }
    curves = [outcome.curves["loss"] for outcome in outcomes.values()]
    assert len(curves) == len(FORMS)
    assert all(len(curve) == 2 and curve[1] < curve[0] for curve in curves)


def test_text_trains_without_an_input_layer():
    model = classifier(words(), named=False)
    assert trained(model, FORMS["array"]).last_step == 2


# Layers that were not adapted.


@pytest.mark.parametrize(
    "layer, data",
    [
        (lambda: words(adapt=False), (TEXTS, Y)),
        (lambda: layers.StringLookup(name="words"), (COLUMN, Y)),
        (lambda: layers.IntegerLookup(name="words"), (np.array(Y)[:, None], Y)),
        (lambda: layers.Discretization(num_bins=3, name="words"), (NUMBERS, Y)),
    ],
    ids=["TextVectorization", "StringLookup", "IntegerLookup", "bins"],
)
def test_a_layer_that_was_not_adapted_is_one_error(layer, data):
    dtype = tf.convert_to_tensor(data[0]).dtype
    refused(classifier(layer(), dtype=dtype), data, r"'words'.*\.adapt\(")


def test_a_normalization_that_was_not_adapted_is_a_warning():
    """Keras' own applications have one, if they are made without weights."""
    model = classifier(layers.Normalization(name="scale"), dtype="float32")
    with pytest.warns(match=r"'scale' normalizes nothing.*\.adapt\(") as warned:
        Trainer(model, (NUMBERS, Y), Plan())
    assert len(warned) == 1


def test_what_was_adapted_or_given_is_not_refused():
    adapted = layers.Normalization()
    adapted.adapt(np.linspace(-1.0, 1.0, 9)[:, None])
    for layer in (
        adapted,
        layers.Normalization(mean=0.0, variance=1.0),
        layers.Discretization([0.5]),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Trainer(classifier(layer, dtype="float32"), (NUMBERS, Y), Plan())
    given = layers.StringLookup(vocabulary=["a good film"])
    Trainer(classifier(given), (COLUMN, Y), Plan())


# Labels that are strings.


@pytest.mark.parametrize("is_dataset", [False, True])
@pytest.mark.parametrize("dtype", [str, object])
def test_labels_that_are_strings_are_one_error(dtype, is_dataset):
    x, y = arrays()
    y = np.array(["red", "green", "blue"], dtype)[y]
    data = slices((x, y.astype(str))).shuffle(9, seed=1).batch(16)
    said = r"targets of `dataset` must be numbers.*strings.*np\.unique"
    refused(compiled(tiny()), data if is_dataset else (x, y), said)


def test_weights_that_are_strings_are_one_error():
    x, y = arrays()
    said = "sample weights of `dataset` must be numbers.*strings"
    refused(compiled(tiny()), (x, y, np.full(len(y), "1")), said)


def test_a_loss_of_ones_own_may_take_strings():
    def loss(y, outputs):
        return tf.reduce_mean(tf.where(y == "red", outputs[:, 0], outputs[:, 1]))

    model = tiny()
    model.compile("sgd", loss)
    x, y = arrays()
    y = np.array(["red", "green", "blue"])[y]
    assert trained(model, (x, y)).last_step == 6


# Fractions for inputs that are integers.


def ids_model():
    ids = keras.Input((4,), dtype="int32", name="ids")
    vectors = layers.Flatten()(layers.Embedding(10, 3, name="embedding")(ids))
    return compiled(keras.Model(ids, layers.Dense(CLASSES, name="logits")(vectors)))


IDS = np.random.default_rng(0).integers(0, 10, (96, 4))


@pytest.mark.parametrize("is_dataset", [False, True])
def test_fractions_for_integer_inputs_are_a_warning(is_dataset):
    data = IDS + 0.5, arrays()[1]
    data = slices(data).batch(16) if is_dataset else data
    with pytest.warns(match=r"'ids'.*int32.*\.5,.*cuts") as warned:
        Trainer(ids_model(), data, Plan())
    assert len(warned) == 1


def test_floats_that_nobody_looked_at_are_a_warning_too():
    data = slices((IDS + 0.5, arrays()[1])).shuffle(96, seed=1).batch(16)
    with pytest.warns(match=r"'ids'.*int32.*float64.*cuts"):
        Trainer(ids_model(), data, Plan())


def test_whole_numbers_may_be_floats():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Trainer(ids_model(), (IDS.astype(np.float32), arrays()[1]), Plan())


# Functions that standardize or split a text.


def lowered(text):
    return tf.strings.lower(text)


def parted(text):
    return tf.strings.split(text, " ")


def own_words():
    found = layers.TextVectorization(
        20, standardize=lowered, split=parted, output_sequence_length=4, name="words"
    )
    found.adapt(TEXTS)
    return found


def test_functions_of_a_text_are_those_of_the_copy():
    trainer = Trainer(classifier(own_words()), FORMS["array"], Plan())
    found = trainer.model.get_layer("words")
    assert (found._standardize, found._split) == (lowered, parted)


@pytest.mark.first_case
@pytest.mark.parametrize("file", ["ticket.keras", "ticket"])
def test_functions_of_a_text_are_named_in_a_ticket_and_exported(file, tmp_path):
    data = FORMS["array"]
    ticket = find_ticket(
        classifier(own_words()), data, rounds=1, verbose=0, validation_data=data
    )
    ticket.save(tmp_path / "ticket.safetensors")
    with pytest.raises(TicketError, match=r"lowered.*custom_objects"):
        Ticket.load(tmp_path / "ticket.safetensors").model()
    functions = {"lowered": lowered, "parted": parted}
    made = ticket.model("best", custom_objects=functions)
    assert made.get_layer("words")._split is parted
    options = {} if "." in file else {"layout": "dense"}  # which writes lookup tables
    ticket.export(tmp_path / file, verbose=0, custom_objects=functions, **options)
    assert (tmp_path / file).exists()
