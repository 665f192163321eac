"""What is passed as a model, before a binding is chosen."""

import functools

import numpy as np
import pytest

from tests.models import arrays, keras
from tf_lottery import find_ticket


class Foreign:
    """Has the `__call__` of another framework's modules."""

    def forward(self, inputs):
        return inputs

    def __call__(self, *args, **kwargs):
        return self.forward(*args, **kwargs)


def with_width(width):
    return keras.Sequential([keras.layers.Dense(width)])


@pytest.mark.parametrize(
    ("model", "received"),
    [
        (Foreign(), "Foreign"),
        (keras.layers.Dense(3), "Dense"),
        (keras.layers.Dense, "the class `Dense`"),
        (with_width, "the function `with_width`"),
        (functools.partial(with_width, 1, 2), "partial"),
        (None, "NoneType"),
        (np.ones(3), "ndarray"),
    ],
)
def test_what_is_no_model_is_one_error(model, received):
    with pytest.raises(TypeError) as error:
        find_ticket(model, arrays(), 1, verbose=0)
    said = str(error.value)
    assert said.startswith("`model` must be a compiled ")
    assert f"Received: {received}" in said
    assert "\n" not in said


def test_a_type_error_inside_a_function_is_raised_as_it_is():
    def model():
        return len(3)

    with pytest.raises(TypeError, match=r"^object of type 'int' has no len\(\)$"):
        find_ticket(model, arrays(), 1, verbose=0)
