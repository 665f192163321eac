"""A ticket whose model Keras cannot make from its file is exported with the model."""

import pickle

import numpy as np
import pytest

from tests.export.exporting import ONE_FILE, QUIET, TEST, X
from tests.models import CLASSES, FEATURES, arrays, compiled, keras, layers, tiny
from tf_lottery import Ticket, TicketError, export, find_ticket

pytestmark = pytest.mark.filterwarnings(
    "ignore:No ticket|The ticket matches|The ticket of this search"
)
FILES = {
    "ticket.keras": QUIET,
    "packed": QUIET,
    "dense": {**QUIET, "layout": "dense"},
    "ticket.tflite": ONE_FILE,
}
each_file = pytest.mark.parametrize("file", FILES)


@keras.saving.register_keras_serializable("given_model_test")
class Halved(keras.Model):
    """Its constructor has an argument that its configuration does not hold."""

    def __init__(self, factor, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.factor = factor


def halved():
    inputs = keras.Input((FEATURES,))
    hidden = layers.Dense(6, activation="relu", name="hidden")(inputs)
    outputs = layers.Dense(CLASSES, name="logits")(hidden)
    return compiled(Halved(0.5, inputs=inputs, outputs=outputs))


@pytest.fixture(scope="module")
def found():
    return find_ticket(halved(), arrays(), 1, validation_data=TEST, epochs=2, verbose=0)


@pytest.fixture(scope="module")
def loaded(found, tmp_path_factory):
    path = tmp_path_factory.mktemp("ticket") / "ticket.safetensors"
    found.save(path)
    return Ticket.load(path)


@pytest.fixture(scope="module")
def answers(found):
    return found.apply(halved(), "best").predict(X, verbose=0)


def test_the_ticket_of_a_search_remembers_its_model(found, answers):
    made = found.model("best")
    assert type(made) is Halved and made.factor == 0.5
    assert np.array_equal(made.predict(X, verbose=0), answers)
    assert np.array_equal(export.strip(found).predict(X, verbose=0), answers)
    made = found.model()
    made.fit(*arrays(), verbose=0)
    mask = found.masks["hidden/kernel"]
    assert not made.get_layer(index=1).layer.kernel.numpy()[~mask].any()


def test_what_happens_to_the_model_later_does_not_change_the_ticket():
    model = halved()
    ticket = find_ticket(model, arrays(), 1, validation_data=TEST, epochs=2, verbose=0)
    answers = ticket.model("best").predict(X, verbose=0)
    model.layers[-1].activation = keras.activations.sigmoid
    model.layers[-1].trainable = False
    model.compile("sgd", "mse")
    made = ticket.model("best")
    assert np.array_equal(made.predict(X, verbose=0), answers)
    assert len(made.trainable_weights) == 4
    assert made.loss != "mse"


def test_what_a_ticket_remembers_is_not_pickled(found):
    assert pickle.loads(pickle.dumps(found)).origin is None


@pytest.mark.first_case
@each_file
def test_the_ticket_of_a_search_is_exported(found, tmp_path, file):
    card = found.export(tmp_path / file, **FILES[file])
    assert card.check["max_difference"] < 1e-5


@pytest.mark.first_case
@each_file
def test_a_ticket_from_a_file_is_exported_with_a_model(loaded, tmp_path, file):
    card = loaded.export(tmp_path / file, model=halved(), data=TEST, **FILES[file])
    assert card.check["max_difference"] < 1e-5


def test_a_ticket_from_a_file_is_stripped_with_a_model(loaded, answers):
    model = export.strip(loaded, model=halved())
    assert np.array_equal(model.predict(X, verbose=0), answers)


def test_without_a_model_the_error_says_the_line(loaded, tmp_path):
    line = r"'factor'.*ticket\.apply\(model\).*ticket\.export\(path, model=model\)"
    for call in (
        loaded.model,
        lambda: export.strip(loaded),
        lambda: loaded.export(tmp_path / "packed", **QUIET),
    ):
        with pytest.raises(TicketError, match=line):
            call()


def test_another_model_is_refused(loaded, tmp_path):
    with pytest.raises(TicketError, match="another model: they differ in 'hidden"):
        export.strip(loaded, model=tiny())
    with pytest.raises(TypeError, match="Received: function"):
        export.strip(loaded, model=halved)
    with pytest.raises(ValueError, match="a Halved to export"):
        export.strip(halved(), model=halved())


def test_before_training_one_warning_says_what_the_file_will_lack():
    with pytest.warns(UserWarning) as said:
        find_ticket(halved(), arrays(), 1, verbose=0, steps=4)
    lines = [str(w.message) for w in said if "of this search" in str(w.message)]
    assert len(lines) == 1
    assert "cannot be made" in lines[0] and "model=model" in lines[0]
    assert "of this search" in str(said[0].message)  # before the others
    with pytest.warns(UserWarning) as said:
        find_ticket(compiled(tiny()), arrays(), 1, verbose=0, steps=4)
    assert not any("of this search" in str(w.message) for w in said)
