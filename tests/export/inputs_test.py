"""Models whose inputs have an open size, or are sparse, are exported too."""

import numpy as np
import pytest

from tests.export.exporting import (
    ONE_FILE,
    X,
    each_format,
    exported,
    run,
    sparsified,
)
from tests.models import BATCH, arrays, compiled, keras, layers, tf
from tf_lottery import ExportError, export, find_ticket
from tf_lottery.export.tensorflow import runtime

IMAGES = np.random.default_rng(0).random((6, 8, 8, 1)).astype(np.float32)


def u_net():
    """Two scales, of images of any size."""
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 1), name="image")
    options = {"padding": "same", "activation": "relu"}
    fine = layers.Conv2D(4, 3, name="fine", **options)(image)
    coarse = layers.Conv2D(6, 3, name="coarse", **options)(layers.MaxPooling2D()(fine))
    up = layers.Conv2DTranspose(4, 2, strides=2, padding="same", name="up")(coarse)
    joined = layers.Concatenate()([up, fine])
    return keras.Model(image, layers.Conv2D(2, 1, name="classes")(joined))


@pytest.fixture(scope="module")
def net():
    return sparsified(u_net(), 0.4)


def outputs(path, model, images):
    return runtime.tflite(path.read_bytes(), model).predict([images])[0]


@pytest.mark.first_case
@pytest.mark.parametrize(
    "options",
    [{}, {"quantize": "int8"}, {"quantize": "int8", "batch_size": 1}],
    ids=["float", "int8", "int8 one by one"],
)
def test_a_network_of_images_of_any_size_is_exported_on_its_data(
    net, tmp_path, options
):
    path = tmp_path / "net.tflite"
    given = {"representative_data": IMAGES} if "quantize" in options else {}
    options = ONE_FILE | options | given | {"latency_runs": 1}
    card = export.tflite(net, path, data=IMAGES, **options)
    assert card.check["sample"] == "6 examples of given data"
    assert card.macs["uncounted"]  # they depend on the size
    larger = np.random.default_rng(1).random((2, 16, 16, 1)).astype(np.float32)
    found, wanted = outputs(path, net, larger), net(larger).numpy()
    assert np.abs(found - wanted).max() < (0.1 if "quantize" in options else 1e-5)


@pytest.mark.slow
def test_without_data_the_size_is_asked_for(net, tmp_path):
    path = tmp_path / "net.tflite"
    with pytest.raises(ExportError, match="`input_shape=`"):
        export.tflite(net, path, **ONE_FILE)
    card = export.tflite(net, path, input_shape=(8, 8, 1), **ONE_FILE)
    assert card.check["sample"] == "1,000 examples of random inputs"
    np.testing.assert_allclose(outputs(path, net, IMAGES), net(IMAGES), atol=1e-5)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3)])
def test_a_size_that_does_not_fit_is_refused(net, tmp_path, shape):
    with pytest.raises(ExportError, match="`input_shape` must be the shape of one"):
        export.tflite(net, tmp_path / "n.tflite", input_shape=shape, **ONE_FILE)


def test_a_size_beside_data_is_refused(net, tmp_path):
    options = {"data": IMAGES, "input_shape": (8, 8, 1)}
    with pytest.raises(ValueError, match="must be left out if there are data"):
        export.tflite(net, tmp_path / "n.tflite", **options, **ONE_FILE)


def of_sparse(*inner):
    keras.utils.set_random_seed(0)
    words = keras.Input((8,), sparse=True, name="words")
    hidden = words
    for layer in (*inner, layers.Dense(6, activation="relu", name="hidden")):
        hidden = layer(hidden)
    return compiled(keras.Model(words, layers.Dense(3, name="logits")(hidden)))


def sparse_batches():
    x, y = arrays()
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH)
    return data.map(lambda x, y: (tf.sparse.from_dense(x), y))


@pytest.fixture(scope="module")
def of_words():
    """A ticket of a model of sparse inputs, with the data of its search."""
    data = sparse_batches()
    return find_ticket(of_sparse(), data, 1, validation_data=data, verbose=0)


@pytest.mark.first_case
@each_format
def test_a_model_of_sparse_inputs_is_exported_on_its_data(of_words, tmp_path, format):
    path, card = exported(of_words, tmp_path, format)
    assert card.check["sample"] == "96 examples of validation data"
    assert set(card.check["accuracy"]) == {"dense", "ticket", "file"}
    assert any("built for sparse inputs" in note for note in card.notes)
    wanted = of_words.model("best")(X).numpy()
    np.testing.assert_allclose(run(path, X), wanted, atol=1e-6)


@pytest.mark.first_case
@pytest.mark.parametrize("quantize", [None, "int8"])
def test_a_tflite_file_takes_dense_inputs_for_sparse_ones(of_words, tmp_path, quantize):
    path = tmp_path / "t.tflite"
    of_words.export(path, quantize=quantize, **ONE_FILE)
    found = outputs(path, of_words.model("best"), X)
    wanted = of_words.model("best")(X).numpy()
    assert np.abs(found - wanted).max() < (0.2 if quantize else 1e-5)


class Lookup(layers.Layer):
    """Takes sparse tensors alone."""

    def call(self, inputs):
        return tf.sparse.sparse_dense_matmul(inputs, tf.ones((8, 4)))


def test_a_layer_that_takes_sparse_tensors_alone_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(ExportError, match="takes dense inputs, and so must each layer"):
        export.tflite(of_sparse(Lookup(name="own")), tmp_path / "n.tflite", **ONE_FILE)


def test_ragged_data_are_refused_in_a_sentence(net, tmp_path):
    data = tf.data.Dataset.from_tensors(tf.ragged.constant([[1.0], [1.0, 2.0]]))
    with pytest.raises(ExportError, match="ragged tensors, where examples must have"):
        export.tflite(net, tmp_path / "n.tflite", data=data, **ONE_FILE)
