"""SavedModels and `.keras` files are the ticket, and anything can use them."""

import zipfile

import numpy as np
import pytest

from tests.export.exporting import TEST, X, argument_specs, each_format, exported, run
from tests.models import arrays, compiled, keras, layers, tf, tiny
from tf_lottery import Ticket, export
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.bindings.tf_keras.tfmot.wrap import mask_variables
from tf_lottery.export.tensorflow.runtime import SIGNATURE

pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket matches")


# The file is the ticket.


@each_format
def test_the_best_weights_are_exported(files, answers, format):
    path, card = files[format]
    np.testing.assert_allclose(run(path, X), answers["best"], atol=1e-6)
    assert card.weights == "best, at minimum validation loss"


@pytest.mark.parametrize("weights", ["final", "initial"])
def test_other_weights_are_exported_on_request(ticket, answers, tmp_path, weights):
    path, card = exported(ticket, tmp_path, "keras", weights=weights)
    np.testing.assert_allclose(run(path, X), answers[weights], atol=1e-6)
    assert card.weights.startswith(weights)
    assert np.abs(answers[weights] - answers["best"]).max() > 1e-3


@each_format
def test_the_outputs_are_equal_in_bits_and_the_card_says_so(ticket, files, format):
    _, card = files[format]
    assert card.check["max_difference"] == 0
    assert card.check["argmax_agreement"] == 1
    assert card.check["sample"] == "48 examples of test data"
    assert card.check["accuracy"].keys() == {"dense", "ticket", "file"}
    accuracy = ticket.model("best").evaluate(*TEST, verbose=0)[1]
    assert card.check["accuracy"]["file"] == pytest.approx(accuracy)


@each_format
def test_the_file_is_exactly_as_sparse_as_the_ticket(ticket, files, format):
    _, card = files[format]
    assert card.ticket_density == ticket.density
    found = {tensor.name: tensor for tensor in card.tensors}
    assert found.keys() == ticket.masks.keys()
    for path, mask in ticket.masks.items():
        assert found[path].nonzero == np.count_nonzero(mask)
        assert found[path].shape == mask.shape


def test_a_ticket_of_a_file_is_exported_too(ticket, answers, tmp_path):
    ticket.save(tmp_path / "ticket.safetensors")
    loaded = Ticket.load(tmp_path / "ticket.safetensors")
    path, card = exported(loaded, tmp_path, "keras")
    np.testing.assert_allclose(run(path, X), answers["best"], atol=1e-6)
    assert card.check["sample"] == "1,000 examples of random inputs"
    assert any("dense network's trained weights" in note for note in card.notes)
    assert any("Without labels" in note for note in card.notes)


def test_a_model_that_was_trained_further_is_exported(ticket, tmp_path):
    model = ticket.model("best")
    model.fit(*arrays(), epochs=2, verbose=0)
    path, card = exported(model, tmp_path, "keras", data=arrays())
    np.testing.assert_allclose(run(path, X), model(X), atol=1e-6)
    assert card.weights == "as given"
    assert card.ticket_density == ticket.density
    assert card.check["sample"] == "96 examples of given data"


def test_a_plain_model_is_exported_with_the_zeros_that_it_has(tmp_path):
    model = compiled(tiny())
    kernel = model.layers[0].kernel
    kernel.assign(kernel * np.float32([0, 1, 0, 1, 0]))  # -0.0 among them
    path, card = exported(model, tmp_path, "packed")
    assert card.ticket_density == (2 * 8 + 15) / 55
    values = tf.train.load_variable(
        str(path / "variables/variables"),
        "values/float32/.ATTRIBUTES/VARIABLE_VALUE",
    )
    assert len(values) == 2 * 8 + 15  # biases are zero
    assert (model.layers[0].kernel.numpy() == kernel.numpy()).all()


def test_strip_gives_a_plain_model(ticket):
    model = export.strip(ticket)
    assert not mask_variables(model)
    assert type(model.get_layer("hidden")) is layers.Dense
    for path, mask in ticket.masks.items():
        values = named_weights(model)[path].numpy()
        assert (values == ticket.outcome.best_weights[path]).all()
        assert not values[~mask].view(np.uint32).any()


# Others can use it.


@pytest.mark.parametrize("format", ["dense", "keras"])
def test_keras_loads_it_and_trains_it(ticket, files, format):
    path, _ = files[format]
    model = compiled(keras.models.load_model(path, compile=False))
    assert [type(layer).__name__ for layer in model.layers][-4:] == [
        *("Dense", "BatchNormalization", "Dropout", "Dense")
    ]
    for name, weight in named_weights(model).items():
        assert (weight.numpy() == ticket.outcome.best_weights[name]).all(), name
    before = model.evaluate(*arrays(), verbose=0)[0]
    model.fit(*arrays(), epochs=3, verbose=0)
    assert model.evaluate(*arrays(), verbose=0)[0] < before


@each_format
def test_nothing_of_tfmot_is_left(files, format):
    path, _ = files[format]
    if format == "keras":
        parts = zipfile.ZipFile(path)
        contents = [parts.read(name) for name in parts.namelist()]
    else:
        contents = [file.read_bytes() for file in path.rglob("*") if file.is_file()]
    for trace in (b"prune", b"Prune", b"pruning", b"tfmot", b"HeldMasks"):
        assert not any(trace in content for content in contents)


@pytest.mark.parametrize("format", ["packed", "dense"])
def test_saved_models_answer_by_their_signature(files, format):
    path, _ = files[format]
    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures[SIGNATURE]
    assert argument_specs(serve)["features"].shape.as_list() == [None, 8]
    assert serve.structured_outputs["logits"].shape.as_list() == [None, 3]
    assert len(loaded.signatures) == 1


def test_compaction_is_exact_and_on_the_card(tmp_path):
    model = compiled(tiny())
    kernel = model.get_layer("logits").kernel
    kernel.assign(kernel * np.float32([[0], [1], [0], [1], [0]]))  # three dead units
    path, card = exported(model, tmp_path, "packed", compact=True)
    np.testing.assert_allclose(run(path, X), model(X), atol=1e-6)
    assert card.removed["dead"] == {"hidden": 3}
    assert {t.name: t.shape for t in card.tensors} == {
        "hidden/kernel": (8, 2),
        "logits/kernel": (2, 3),
    }
