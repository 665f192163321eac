"""Other weights of a built model: each part draws its own by its configuration."""

import keras
import numpy as np
import pytest

from tests.bindings.keras3.models import CLASSES, FEATURES, compiled, with_state
from tf_lottery.bindings import keras3
from tf_lottery.bindings.keras3.layers import weights_of


def test_kernels_are_drawn_anew_and_constants_stay():
    model = with_state()
    with keras3.seeded(1):
        drawn = weights_of(keras3.redraw(model))
    for path, weight in weights_of(model).items():
        is_kernel = path.endswith("kernel")
        assert np.array_equal(weight, drawn[path]) is not is_kernel, path


class WithWeights(keras.Model):
    """A model with a matrix of its own."""

    def __init__(self):
        super().__init__()
        self.matrix = self.add_weight(shape=(FEATURES, CLASSES), name="kernel")

    def call(self, x):
        return keras.ops.matmul(x, self.matrix)


def test_weights_of_a_model_itself_are_not_drawn_in_silence():
    model = compiled(WithWeights())
    model(np.zeros((2, FEATURES), "float32"))
    with pytest.raises(ValueError, match="Pass a function that returns the model"):
        keras3.redraw(model)
