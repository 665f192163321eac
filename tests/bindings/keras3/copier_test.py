"""A copy has all that the user's model has, and shares nothing that changes."""

import pickle

import keras
import numpy as np
import pytest

from tests.bindings.keras3.kinds import KINDS
from tests.bindings.keras3.models import (
    BACKEND,
    CLASSES,
    FEATURES,
    arrays,
    compiled,
    equal,
    layers,
    weights_of,
    with_state,
)
from tf_lottery.bindings.keras3 import hold
from tf_lottery.bindings.keras3.copying.compiled import copy_model
from tf_lottery.bindings.keras3.layers import named_weights

slow = pytest.mark.slow
KINDS_COPIED = [
    *(pytest.param(name, marks=slow) for name in ("nested and shared", "lists")),
    *(pytest.param(name, marks=slow) for name in ("subclassed", "closures")),
    *(pytest.param(name, marks=slow) for name in ("recurrent", "distilled")),
    *(pytest.param(name, marks=slow) for name in ("convolutional", "own train_step")),
]


def built(name):
    keras.utils.set_random_seed(0)
    model, data = KINDS[name]()
    batch = keras.tree.map_structure(lambda part: part[:16], data)
    model.train_on_batch(*batch)
    return model, batch


def outputs(model, x):
    found = keras.tree.flatten(model(x, training=False))
    return [keras.ops.convert_to_numpy(part).astype("float32") for part in found]


@pytest.mark.parametrize("name", KINDS_COPIED)
def test_a_copy_has_the_models_bits_and_no_variable_of_it(name):
    model, (x, y) = built(name)
    copied = copy_model(model)
    assert type(copied) is type(model)
    assert equal(outputs(copied, x), outputs(model, x))
    before = weights_of(model)
    held = {id(variable) for variable in model.variables}
    assert not [v.path for v in copied.variables if id(v) in held]
    for mine, theirs in zip(copied.layers, model.layers, strict=True):
        assert mine is not theirs
        assert mine.name == theirs.name
    copied.train_on_batch(x, y)
    assert equal(weights_of(model), before)
    one, other = named_weights(copied), named_weights(model)
    assert list(one) == list(other)
    assert any(not equal([one[n].numpy()], [other[n].numpy()]) for n in one)


def test_a_copy_of_a_copy_is_a_copy():
    model, (x, _) = built("nested and shared")
    again = copy_model(copy_model(model))
    assert equal(outputs(again, x), outputs(model, x))
    shared = again.get_layer("shared")
    assert len([la for la in again.layers if la is shared]) == 1


def test_what_keras_makes_of_a_copy_is_what_it_makes_of_the_model(tmp_path):
    model, (x, _) = built("nested and shared")
    copied = copy_model(model)
    assert copied.get_config() == model.get_config()
    assert copied.to_json() == model.to_json()
    cloned = keras.models.clone_model(copied)
    cloned.set_weights(copied.get_weights())
    assert equal(outputs(cloned, x), outputs(model, x))
    copied.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert equal(outputs(loaded, x), outputs(model, x))
    part = keras.Model(copied.inputs, copied.get_layer("shared").output)
    assert len(outputs(part, x)[0]) == 16


@slow
@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch pickles modules its own way")
def test_a_copy_can_be_pickled():
    model, (x, _) = built("sequential")
    again = pickle.loads(pickle.dumps(copy_model(model)))
    assert equal(outputs(again, x), outputs(model, x))


def test_a_layer_can_be_added_to_a_copy_of_an_unbuilt_model():
    model = keras.Sequential([layers.Dense(8, name="hidden")])
    copied = copy_model(compiled(model))
    copied.add(layers.Dense(CLASSES, name="logits"))
    copied.build((None, FEATURES))
    assert len(copied.trainable_weights) == 4
    assert [layer.name for layer in model.layers] == ["hidden"]
    assert not model.built


def test_a_weight_can_be_added_to_a_layer_of_a_copy():
    class Own(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], 3), name="kernel")

        def call(self, x):
            return keras.ops.matmul(x, self.kernel)

    model = compiled(keras.Sequential([Own(name="own")]))
    copied = copy_model(model)
    copied.build((None, FEATURES))
    assert len(copied.trainable_weights) == 1
    assert not model.weights


def test_a_deep_network_is_copied():
    inside = [layers.Dense(2, name=f"layer_{number}") for number in range(400)]
    model = compiled(keras.Sequential([keras.Input((2,)), *inside]))
    copied = copy_model(model)
    assert equal(weights_of(copied), weights_of(model))
    assert len(copied.layers) == 400


@slow
def test_the_optimizer_of_a_copy_is_a_new_one_of_the_same_kind():
    model = compiled(with_state(), keras.optimizers.SGD(0.1, momentum=0.9))
    model.train_on_batch(*arrays(16))
    copied = copy_model(model)
    assert copied.optimizer is not model.optimizer
    assert copied.optimizer.get_config() == model.optimizer.get_config()
    assert not copied.optimizer.built
    copied.train_on_batch(*arrays(16))
    assert int(hold.inner_of(copied.optimizer).iterations.numpy()) == 1


def test_closures_and_objects_of_the_user_reach_the_copy():
    model, _ = built("closures")
    copied = copy_model(model)
    assert copied.schedule is not model.schedule
    assert copied.schedule.layer is copied.layers[0]
    assert copied.kept[0] is copied.layers[-1]
    assert copied.factors["a"] is not model.factors["a"]
    cells = copied.compute_loss.__closure__
    assert any(cell.cell_contents is copied for cell in cells)


def test_a_copys_big_arrays_are_its_own():
    model = compiled(with_state())
    model.table = np.zeros((512, 512), np.float32)
    copied = copy_model(model)
    copied.table += 1
    assert not model.table.any()


@slow
def test_masks_and_names_of_a_copy_are_those_of_the_model():
    model, _ = built("recurrent")
    copied = copy_model(model)
    assert [v.path for v in copied.variables] == [v.path for v in model.variables]
    assert hold.masks_of(copied) == {}
