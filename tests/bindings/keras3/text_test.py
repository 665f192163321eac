"""Layers of texts inside a model, which Keras 3 has on TensorFlow."""

import keras
import numpy as np
import pytest

from tests.bindings.keras3.models import BACKEND, layers
from tf_lottery import Ticket, find_ticket

if BACKEND != "tensorflow":
    pytest.skip("Texts are of TensorFlow.", allow_module_level=True)

import tensorflow as tf

WORDS = ["good", "bad", "film", "day"]
TEXTS, LABELS = np.array(["good film", "bad film", "good day", "bad day"] * 8), [1, 0]
DATA = tf.data.Dataset.from_tensor_slices((TEXTS, LABELS * 16)).batch(16)


def reader(texts):
    model = keras.Sequential(
        [
            keras.Input((), dtype="string"),
            texts,
            layers.Embedding(20, 8),
            layers.GlobalAveragePooling1D(),
            layers.Dense(2),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model


@pytest.mark.filterwarnings("ignore:No ticket|The ticket matches")
def test_a_layer_with_its_vocabulary_is_searched_and_kept_with_the_ticket(tmp_path):
    texts = layers.TextVectorization(vocabulary=WORDS, output_sequence_length=4)
    found = find_ticket(
        reader(texts), DATA, 1, epochs=2, validation_data=DATA, verbose=0
    )
    some = tf.constant(["good good", "bad"])
    wanted = found.model().predict(some, verbose=0)
    assert (wanted[0] != wanted[1]).any()
    found.save(tmp_path / "ticket")
    again = Ticket.load(tmp_path / "ticket").model().predict(some, verbose=0)
    np.testing.assert_array_equal(again, wanted)


def test_words_that_are_in_a_table_alone_are_refused():
    texts = layers.TextVectorization(max_tokens=20, output_sequence_length=4)
    texts.adapt(TEXTS)
    with pytest.raises(ValueError, match=r"MutableHashTable.*with `vocabulary=...`"):
        find_ticket(reader(texts), DATA, 1, epochs=1, verbose=0)
