"""A ticket of Keras 3 in every format, on the TensorFlow backend."""

import numpy as np
import pytest

from tests.bindings.keras3.exporting.plain_test import Mine
from tests.bindings.keras3.models import BACKEND, arrays, compiled, keras, layers

if BACKEND != "tensorflow":
    pytest.skip("files are written by TensorFlow", allow_module_level=True)

import tensorflow as tf

from tf_lottery import ExportError, export, find_ticket

QUIET = {"latency_runs": 0, "verbose": 0}
DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(96, 12, 12, 1)).astype("float32")
Y = (X.reshape(96, -1) @ DRAW.normal(size=(144, 4))).argmax(1)


def lenet():
    keras.utils.set_random_seed(0)
    inside = [
        keras.Input((12, 12, 1), name="image"),
        layers.Conv2D(6, 3, activation="relu", name="conv"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(32, activation="relu", name="hidden"),
        layers.Dropout(0.2),
        layers.Dense(4, name="logits"),
    ]
    return compiled(keras.Sequential(inside))


@pytest.fixture(scope="module")
def ticket():
    search = {"rounds": 2, "pruning_rate": 0.55, "epochs": 2, "verbose": 0}
    return find_ticket(lenet(), (X, Y), test_data=(X[:48], Y[:48]), **search)


@pytest.fixture(scope="module")
def wanted(ticket):
    return ticket.model("best").predict(X, verbose=0)


def served(path, x):
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    (found,) = serve(tf.constant(x)).values()
    return found.numpy()


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [{}, {"layout": "dense"}, {"compact": True, "drop_inputs": True}],
    ids=str,
)
def test_a_saved_model_gives_the_outputs(ticket, wanted, tmp_path, options):
    card = ticket.export(tmp_path / "t", format="saved_model", **QUIET, **options)
    assert np.abs(served(tmp_path / "t", X) - wanted).max() <= 1e-6
    assert {tensor.name for tensor in card.tensors} == set(ticket.masks)
    packed = options.get("layout") != "dense"
    # The graph of a dense file differs in a few bytes each time.
    assert (card.sizes["exported"].raw < card.sizes["stripped"].raw - 1000) is packed


@pytest.mark.slow
@pytest.mark.parametrize("compact", [False, True])
def test_a_keras_file_gives_the_outputs_in_stock_keras(
    ticket, wanted, tmp_path, compact
):
    path = tmp_path / "t.keras"
    card = ticket.export(path, format="keras", compact=compact, **QUIET)
    found = keras.models.load_model(path).predict(X, verbose=0)
    assert np.abs(found - wanted).max() <= 1e-6
    removed = sum(card.removed["dead"].values())
    assert (removed > 0) is compact


ENCODINGS = {
    "zeros left out": ({"sparse": True}, 1e-5),
    "blocks": ({"sparse": "blocks"}, 1e-5),
    "float16": ({"quantize": "float16"}, 2e-3),
    "dynamic": ({"quantize": "dynamic"}, 0.05),
    "int8": ({"quantize": "int8"}, 0.1),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODINGS)
def test_a_tflite_file_gives_the_outputs(ticket, tmp_path, name):
    options, tolerance = ENCODINGS[name]
    card = ticket.export(tmp_path / "t.tflite", format="tflite", **QUIET, **options)
    assert card.check["relative_difference"] <= tolerance
    assert card.sizes["exported"].raw < card.sizes["dense"].raw
    assert card.versions["keras"]


@pytest.mark.slow
def test_a_subclassed_model_is_exported(tmp_path):
    x, y = arrays()
    search = {"rounds": 1, "epochs": 1, "verbose": 0}
    found = find_ticket(compiled(Mine()), (x, y), **search)
    wanted = found.apply(found.origin, "best").predict(x, verbose=0)
    found.export(tmp_path / "t", format="saved_model", **QUIET)
    assert np.abs(served(tmp_path / "t", x) - wanted).max() <= 1e-6
    found.export(tmp_path / "t.tflite", format="tflite", **QUIET)


def test_a_lookup_of_words_is_held_by_the_dense_layout_alone(tmp_path):
    words = layers.StringLookup(vocabulary=["a", "b", "c"], name="words")
    inputs = keras.Input((2,), dtype="string", name="text")
    x = layers.Flatten()(layers.Embedding(4, 3)(words(inputs)))
    model = keras.Model(inputs, layers.Dense(2)(x))
    texts = np.array([["a", "b"], ["c", "x"]])
    more = {"data": texts, **QUIET}
    export.saved_model(model, tmp_path / "t", layout="dense", **more)
    wanted = model(tf.constant(texts)).numpy()
    assert (served(tmp_path / "t", texts) == wanted).all()
    with pytest.raises(ExportError, match=r"weights only.*'words'"):
        export.saved_model(model, tmp_path / "packed", **more)
