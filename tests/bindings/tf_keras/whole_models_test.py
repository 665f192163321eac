"""Keras' applications, a text model and a Transformer pass through `find_ticket`."""

import numpy as np
import pytest

from tests.models import keras, layers
from tf_lottery import find_ticket

pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket|No verdict")
slow = pytest.mark.slow
draw = np.random.default_rng(0)

IMAGES = draw.integers(0, 256, (8, 32, 32, 3)).astype(np.float32)
WORDS = draw.integers(1, 50, (8, 12))
LABELS = draw.integers(0, 10, 8)


def application(name, **arguments):
    make = getattr(keras.applications, name)
    return make(weights=None, input_shape=(32, 32, 3), classes=10, **arguments)


def text():
    return keras.Sequential(
        [
            keras.Input((12,), dtype="int32"),
            layers.Embedding(50, 8, mask_zero=True, name="words"),
            layers.Bidirectional(layers.LSTM(6, name="lstm"), name="both"),
            layers.Dense(10, activation="softmax", name="logits"),
        ]
    )


def transformer():
    tokens = keras.Input((12,), dtype="int32")
    x = layers.Embedding(50, 8, name="words")(tokens)
    attended = layers.MultiHeadAttention(2, 4, name="heads")(x, x)
    x = layers.LayerNormalization(name="norm_1")(x + attended)
    wide = layers.Dense(16, activation="gelu", name="wide")(x)
    x = layers.LayerNormalization(name="norm_2")(
        x + layers.EinsumDense("abc,cd->abd", (12, 8), name="narrow")(wide)
    )
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(tokens, layers.Dense(10, "softmax", name="logits")(x))


# What makes the model, its inputs, and the number of masks.
MODELS = {
    "text": (text, WORDS, 6),
    "transformer": (transformer, WORDS, 8),
    "ResNet50": (lambda: application("ResNet50"), IMAGES, 54),
    "MobileNetV2": (lambda: application("MobileNetV2"), IMAGES, 36),
    "EfficientNetB0": (lambda: application("EfficientNetB0"), IMAGES, 66),
    "MobileNetV3Small": (lambda: application("MobileNetV3Small"), IMAGES, 43),
    "VGG16": (lambda: application("VGG16"), IMAGES, 16),
    "DenseNet121": (lambda: application("DenseNet121"), IMAGES, 121),
}


@pytest.mark.parametrize(
    "name",
    [
        "transformer",
        *(pytest.param(n, marks=slow) for n in MODELS if n != "transformer"),
    ],
)
def test_a_round_of_two_steps(name, tmp_path):
    make, inputs, masks = MODELS[name]
    keras.utils.set_random_seed(0)
    model = make()
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    ticket = find_ticket(
        model,
        (inputs, LABELS),
        1,
        steps=2,
        batch_size=4,
        pruning_rate=0.5,
        validation_data=(inputs, LABELS),
        verbose=0,
    )
    assert len(ticket.masks) == masks
    assert ticket.density == pytest.approx(0.5, abs=0.01)
    assert not any("depthwise" in path for path in ticket.masks)
    trained = ticket.model("best")
    weights = dict(ticket.outcome.best_weights)
    for path, mask in ticket.masks.items():
        assert not weights[path][~mask].any()
    expected = ticket.outcome.metrics["val_accuracy"]
    found = trained.evaluate(inputs, LABELS, verbose=0, return_dict=True)
    assert found["accuracy"] == pytest.approx(expected)
