"""Plain copies of Keras 3 models: nothing of a search, and not compiled."""

import numpy as np
import pytest

from tests.bindings.keras3.models import (
    FEATURES,
    arrays,
    compiled,
    equal,
    keras,
    layers,
    tiny,
    weights_of,
    with_state,
)
from tf_lottery.bindings import keras3
from tf_lottery.bindings.keras3.copying.compiled import masked_copy
from tf_lottery.bindings.keras3.exporting.plain import plain

X, Y = arrays(8)


def outputs(model, x=X):
    return np.asarray(keras.ops.convert_to_numpy(model(x, training=False)))


class Mine(keras.Model):
    """Computes by code of its own."""

    def __init__(self, **more):
        super().__init__(**more)
        self.hidden = layers.Dense(5, activation="relu", name="hidden")
        self.logits = layers.Dense(4, name="logits")

    def call(self, x):
        return self.logits(self.hidden(x))


class Trained(keras.Model):
    """Has steps of its own in a functional model."""

    def train_step(self, *args):
        raise AssertionError


def nested():
    inner = keras.Sequential(
        [keras.Input((FEATURES,)), layers.Dense(6, name="a")], name="inner"
    )
    x = keras.Input((FEATURES,), name="x")
    y = inner(x) + inner(x * 2.0)
    return Trained(x, layers.Dense(4, name="b")(y), name="outer")


def subclassed():
    model = Mine()
    model(X)
    return model


MODELS = {
    "sequential": tiny,
    "with state": with_state,
    "nested": nested,
    "subclassed": subclassed,
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("masked", [False, True])
def test_a_plain_copy_has_the_weights_and_outputs_and_nothing_else(name, masked):
    model = compiled(MODELS[name]())
    before, config = weights_of(model), model.to_json()
    source = masked_copy(model, 0) if masked else model
    copied = plain(source)
    assert equal(keras3.weights_of(copied), keras3.weights_of(model))
    assert (outputs(copied) == outputs(model)).all()
    assert not copied.compiled and getattr(copied, "optimizer", None) is None
    assert not {"compile", "fit", "_lottery_masks"} & vars(copied).keys()
    assert not any("assign" in vars(variable) for variable in copied.variables)
    assert not {*map(id, copied.variables)} & {*map(id, model.variables)}
    compiled(copied).fit(X, Y, verbose=0)
    assert equal(weights_of(model), before) and model.to_json() == config


def test_a_graph_gets_the_class_of_keras_and_code_of_its_own_stays():
    assert type(plain(nested())).__name__ == "Functional"
    assert type(plain(tiny())) is keras.Sequential
    assert type(plain(subclassed())) is Mine


def test_a_layer_of_a_plain_copy_has_one_call():
    copied = plain(tiny())
    assert copied.get_layer("hidden").output.shape == (None, 32)


def test_a_plain_copy_takes_other_weights_by_path():
    model = with_state()
    values = {path: value + 1 for path, value in keras3.weights_of(model).items()}
    copied = keras3.plain(model, values)
    assert equal(keras3.weights_of(copied), values)


@pytest.mark.parametrize(
    "policy", ["mixed_float16", "mixed_bfloat16", "float16", "bfloat16"]
)
@pytest.mark.parametrize("name", MODELS)
def test_half_precision_becomes_float32_in_the_copy_alone(policy, name):
    with keras3.under(policy):
        model = MODELS[name]()
    before = [variable.dtype for variable in model.variables]
    assert keras3.network(model).in_half
    copied = keras3.plain(model, in_float32=True)
    assert not keras3.network(copied).in_half
    assert {port.dtype for port in keras3.network(copied).outputs} == {"float32"}
    assert outputs(copied).dtype == np.float32
    np.testing.assert_allclose(
        outputs(copied), outputs(model).astype(np.float32), atol=0.2
    )
    assert keras3.network(model).in_half
    assert [variable.dtype for variable in model.variables] == before
    floats = [v for v in copied.variables if "float" in v.dtype]
    assert {variable.dtype for variable in floats} == {"float32"}


def test_the_masks_of_a_model_are_its_own_or_where_matrices_are_not_zero():
    model = compiled(tiny())
    kernel = model.get_layer("hidden").kernel
    kernel.assign(np.eye(FEATURES, 32))
    found = keras3.masks_of(model)
    assert set(found) == {"hidden/kernel", "logits/kernel"}
    assert (found["hidden/kernel"] == np.eye(FEATURES, 32)).all()
    assert keras3.masks_of(masked_copy(model, 0)).density == 1
