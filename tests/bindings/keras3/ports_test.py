"""A subclassed model with a dict or a list of inputs says what comes out of it."""

import keras
import numpy as np
import pytest

from tf_lottery.bindings.keras3.exporting.ports import Ports


class Two(keras.Model):
    """Adds what two layers make of two inputs, by these keys."""

    def __init__(self, *keys):
        super().__init__()
        self.one, self.other = keras.layers.Dense(3), keras.layers.Dense(3)
        self._of = keys

    def call(self, inputs):
        one, other = self._of
        return self.one(inputs[one]) + self.other(inputs[other])


@pytest.mark.parametrize("kind", [dict, list])
def test_several_inputs_of_a_subclassed_model_are_known(kind):
    arrays = [np.zeros((5, 4), np.float32), np.zeros((5, 2), np.float32)]
    keys = ("top", "bottom") if kind is dict else (0, 1)
    model = Two(*keys)
    model(dict(zip(keys, arrays, strict=True)) if kind is dict else arrays)
    ports = Ports(model)
    assert {port.shape for port in ports.inputs} == {(None, 4), (None, 2)}
    assert [port.shape for port in ports.outputs] == [(None, 3)]
