"""Adapted preprocessing layers inside layers of the user's own."""

import numpy as np
import pytest

from tests.models import CLASSES, FEATURES, arrays, compiled, keras, layers, tf
from tf_lottery import Plan, Ticket, TicketError, export, find_ticket
from tf_lottery.bindings.tf_keras.copying.copier import copy_model
from tf_lottery.bindings.tf_keras.tfmot.wrap import unwrap, wrap
from tf_lottery.core.errors import ExportError
from tf_lottery.training.trainer import Trainer

WORDS = np.array([["red"], ["blue"], ["red"], ["green"]])
LABELS = np.array([0, 1, 0, 2])

registered = keras.saving.register_keras_serializable("adapted_test")


@registered
class Texts(layers.Layer):
    """Holds a vectorization that has other outputs once it is adapted."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.words = layers.TextVectorization(output_mode="tf_idf", name="words")
        self.dense = layers.Dense(6, name="dense")

    def call(self, x):
        return self.dense(self.words(x))


@registered
class Lookup(layers.Layer):
    """Holds a lookup that is an argument of its class."""

    def __init__(self, lookup=None, **kwargs):
        super().__init__(**kwargs)
        self.words = lookup or layers.StringLookup(output_mode="one_hot", name="words")
        self.dense = layers.Dense(6, name="dense")

    def call(self, x):
        return self.dense(self.words(x))

    def get_config(self):
        lookup = keras.saving.serialize_keras_object(self.words)
        return {**super().get_config(), "lookup": lookup}

    @classmethod
    def from_config(cls, config):
        lookup = keras.saving.deserialize_keras_object(config["lookup"])
        return cls(**{**config, "lookup": lookup})


@registered
class Nested(layers.Layer):
    """Holds a model that holds a lookup."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.words = layers.StringLookup(name="words")
        inputs = keras.Input((1,), dtype=tf.string)
        embedded = layers.Embedding(8, 6, name="embedding")(self.words(inputs))
        self.inner = keras.Model(inputs, embedded, name="inner")

    def call(self, x):
        return tf.reduce_mean(self.inner(x), 1)


@registered
class Bins(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.bins = layers.Discretization(num_bins=4, output_mode="multi_hot")
        self.dense = layers.Dense(6, name="dense")

    def call(self, x):
        return self.dense(self.bins(x))


@registered
class Statistics(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm = layers.Normalization(name="norm")
        self.dense = layers.Dense(6, name="dense")

    def call(self, x):
        return self.dense(self.norm(x))


def of_words(kind):
    layer = kind()
    layer.words.adapt(WORDS)
    inner = [layer, layers.Dense(CLASSES, name="logits")]
    return compiled(keras.Sequential([keras.Input((1,), dtype=tf.string), *inner]))


def of_numbers(kind, part):
    layer = kind(name="holder")
    getattr(layer, part).adapt(arrays()[0] * 3 + 1)
    inner = [layer, layers.Dense(CLASSES, name="logits")]
    return compiled(keras.Sequential([keras.Input((FEATURES,)), *inner]))


CASES = {
    "text": (lambda: of_words(Texts), (WORDS, LABELS)),
    "lookup": (lambda: of_words(Lookup), (WORDS, LABELS)),
    "nested": (lambda: of_words(Nested), (WORDS, LABELS)),
    "bins": (lambda: of_numbers(Bins, "bins"), arrays()),
    "statistics": (lambda: of_numbers(Statistics, "norm"), arrays()),
}


@pytest.mark.parametrize("case", CASES)
def test_copies_compute_with_what_the_inner_layer_was_adapted_to(case):
    make, (x, _) = CASES[case]
    model = make()
    for copied in (copy_model(model), wrap(model), unwrap(wrap(model))):
        assert np.array_equal(copied(x), model(x))


@pytest.mark.first_case
@pytest.mark.parametrize("case", CASES)
def test_a_saved_ticket_makes_the_model_and_exports_it(case, tmp_path):
    make, data = CASES[case]
    ticket = find_ticket(make(), data, rounds=1, verbose=0, validation_data=data)
    ticket.save(tmp_path / "ticket")
    loaded = Ticket.load(tmp_path / "ticket")
    x = data[0]
    wanted = ticket.model("final").predict(x, verbose=0)
    assert np.array_equal(loaded.model("final").predict(x, verbose=0), wanted)
    plain = export.strip(loaded, "final")
    assert np.array_equal(plain.predict(x, verbose=0), wanted)


class Late(layers.Layer):
    """Makes its lookup when it is built."""

    def build(self, shape):
        self.words = layers.StringLookup(name="words")
        self.embedding = layers.Embedding(8, 6, name="embedding")

    def call(self, x):
        return tf.reduce_mean(self.embedding(self.words(x)), 1)


def test_an_inner_layer_that_is_made_late_is_refused_with_the_reason():
    layer = Late(name="late")
    inner = [layer, layers.Dense(CLASSES)]
    model = keras.Sequential([keras.Input((1,), dtype=tf.string), *inner])
    layer.words.adapt(WORDS)
    with pytest.raises(ValueError, match=r"`__init__`.*'words' inside 'late' \(Late\)"):
        Trainer(compiled(model), (WORDS, LABELS), Plan(rounds=1))


@registered
class OwnModel(keras.Model):
    """A functional model of one's own class."""

    def train_step(self, data):
        return super().train_step(data)


def test_a_lookup_in_a_nested_model_of_a_model_of_ones_own_class():
    lookup = layers.StringLookup(name="words")
    lookup.adapt(WORDS)
    inputs = keras.Input((1,), dtype=tf.string)
    embedded = layers.Embedding(8, 4, name="embedding")(lookup(inputs))
    inner = keras.Model(inputs, embedded, name="inner")
    outer = keras.Input((1,), dtype=tf.string)
    logits = layers.Dense(CLASSES, name="logits")(layers.Flatten()(inner(outer)))
    model = compiled(OwnModel(outer, logits))
    ticket = find_ticket(model, (WORDS, LABELS), rounds=1, verbose=0)
    made = ticket.model("final")
    found = made.get_layer("inner").get_layer("words")
    assert found.get_vocabulary() == lookup.get_vocabulary()
    applied = ticket.apply(model, "final")
    assert np.array_equal(made.predict(WORDS), applied.predict(WORDS))


@pytest.mark.first_case
@pytest.mark.parametrize("file", ["ticket.keras", "ticket"])
def test_an_inner_lookup_is_exported(file, tmp_path):
    ticket = find_ticket(
        of_words(Nested), (WORDS, LABELS), rounds=1, validation_data=(WORDS, LABELS)
    )
    options = {} if file.endswith(".keras") else {"layout": "dense"}
    ticket.export(tmp_path / file, verbose=0, **options)
    found = tf.saved_model.load(str(tmp_path / file)) if options else None
    wanted = ticket.model("best")(WORDS)
    if options:
        outputs = found.signatures["serving_default"](tf.constant(WORDS))
        assert np.allclose(next(iter(outputs.values())), wanted, atol=1e-6)
    else:
        assert np.array_equal(keras.models.load_model(tmp_path / file)(WORDS), wanted)


def test_an_inner_layer_that_was_not_adapted_is_refused():
    inner = [Nested(name="holder"), layers.Dense(CLASSES, name="logits")]
    model = compiled(keras.Sequential([keras.Input((1,), dtype=tf.string), *inner]))
    with pytest.raises(ValueError, match=r"'holder/words', which was not adapted"):
        Trainer(model, (WORDS, LABELS), Plan())


def looked_up(words):
    lookup = layers.StringLookup(vocabulary=words, name="words")
    inner = [keras.Input((1,), dtype=tf.string), lookup, layers.Embedding(5, 4)]
    return compiled(keras.Sequential([*inner, layers.Flatten(), layers.Dense(CLASSES)]))


def test_a_ticket_is_not_applied_to_a_model_of_other_words(tmp_path):
    data = WORDS, LABELS
    model = looked_up(["red", "blue", "green"])
    ticket = find_ticket(model, data, 1, validation_data=data, verbose=0, epochs=2)
    ticket.save(tmp_path / "t.safetensors")
    ticket = Ticket.load(tmp_path / "t.safetensors")
    other = looked_up(["blue", "red", "green"])
    for use in (ticket.apply, lambda model: export.strip(ticket, model=model)):
        with pytest.raises(TicketError, match="'words' with another vocabulary"):
            use(other)
    again = ticket.apply(looked_up(["red", "blue", "green"]), "best")
    wanted = ticket.model("best").predict(WORDS, verbose=0)
    assert np.array_equal(again.predict(WORDS, verbose=0), wanted)


@registered
class Embedded(layers.Layer):
    """Holds a lookup whose words change no shape."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.words = layers.StringLookup(name="words")
        self.table = layers.Embedding(8, 4, name="table")
        self.flat = layers.Flatten(name="flat")

    def call(self, x):
        return self.flat(self.table(self.words(x)))


@registered
class Binned(layers.Layer):
    """Holds a discretization, which is no table."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.bins = layers.Discretization(num_bins=3, output_mode="one_hot")
        self.dense = layers.Dense(6, name="dense")

    def call(self, x):
        return self.dense(self.bins(x))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Texts, Embedded, Binned])
def test_exports_of_a_layer_that_holds_an_adapted_one(kind, tmp_path):
    x = np.linspace(0, 1, 4)[:, None].astype(np.float32) if kind is Binned else WORDS
    layer = kind(name="own")
    (layer.bins if kind is Binned else layer.words).adapt(x)
    inputs = keras.Input((1,), dtype=tf.string if x is WORDS else tf.float32)
    model = compiled(keras.Model(inputs, layers.Dense(CLASSES)(layer(inputs))))
    ticket = find_ticket(model, (x, LABELS), 1, validation_data=(x, LABELS), verbose=0)
    quiet = {"latency_runs": 0, "verbose": 0}
    named = f"'own' \\({kind.__name__}\\)"
    if kind is not Embedded:  # Keras writes the words of a layer inside a layer
        with pytest.raises(ExportError, match=rf"{named}, whose .*saved_model"):
            ticket.export(tmp_path / "t.keras", **quiet)
    if kind is not Embedded:  # TFLite has a table of words
        with pytest.raises(ExportError, match=rf"{named}.*saved_model"):
            ticket.export(tmp_path / "t.tflite", **quiet)
    if kind is not Binned:
        with pytest.raises(ExportError, match=rf"{named}.*dense"):
            ticket.export(tmp_path / "packed", **quiet)
    card = ticket.export(tmp_path / "dense", layout="dense", **quiet)
    assert card.check["max_difference"] == 0
