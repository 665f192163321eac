"""Models that were made for quantization-aware training."""

import numpy as np
import pytest
import tensorflow_model_optimization as tfmot

from tests.export.exporting import ONE_FILE, TEST, X
from tests.models import CLASSES, FEATURES, arrays, compiled, keras, layers
from tf_lottery import find_ticket

quantization = tfmot.quantization.keras
pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket")


def aware():
    inner = [keras.Input((FEATURES,)), layers.Dense(8, activation="relu")]
    model = keras.Sequential([*inner, layers.Dense(CLASSES)])
    return compiled(quantization.quantize_model(model))


@pytest.mark.slow
def test_a_ticket_is_exported_and_applied_to_a_second_build(tmp_path):
    with quantization.quantize_scope():
        ticket = find_ticket(aware(), arrays(), 1, validation_data=TEST, verbose=0)
        card = ticket.export(tmp_path / "t.tflite", data=TEST, **ONE_FILE)
        assert card.check["relative_difference"] < 1e-5
        assert "FULLY_CONNECTED" in card.operators
        applied = ticket.apply(aware(), "best").predict(X, verbose=0)
        assert np.array_equal(applied, ticket.model("best").predict(X, verbose=0))
