"""What exports ask a Keras 3 model, on every backend."""

import numpy as np
import pytest

from tests.bindings.keras3.exporting.plain_test import Mine, nested, subclassed
from tests.bindings.keras3.models import FEATURES, arrays, keras, layers, with_state
from tf_lottery.bindings import keras3
from tf_lottery.bindings.keras3.data import forms
from tf_lottery.core.errors import ExportError

X, Y = arrays(20)


def two():
    inputs = {name: keras.Input((3,), name=name) for name in ("z", "a")}
    both = layers.Concatenate()([inputs["z"], inputs["a"]])
    outputs = {"q": layers.Dense(2, name="one")(both), "p": layers.Dense(1)(both)}
    return keras.Model(inputs, outputs)


def named(ports):
    return [(port.name, port.shape, port.dtype) for port in ports]


def test_the_inputs_and_outputs_have_the_names_of_layers():
    seen = keras3.network(two())
    wanted = [("a", (None, 3), "float32"), ("z", (None, 3), "float32")]
    assert sorted(named(seen.inputs)) == wanted
    assert [port.shape for port in seen.outputs] == [(None, 1), (None, 2)]


def test_outputs_of_one_layer_have_different_names():
    x = keras.Input((4,), name="x")
    parts = keras.ops.split(layers.Dense(4)(x), 2, axis=-1)
    names = [port.name for port in keras3.network(keras.Model(x, parts)).outputs]
    assert len(set(names)) == 2


@pytest.mark.parametrize("make", [with_state, nested, subclassed])
def test_what_is_computed_are_the_outputs_in_inference_mode(make):
    model = make()
    seen = keras3.network(model)
    wanted = keras.ops.convert_to_numpy(model(X, training=False))
    (found,) = seen.compute([X])
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    (again,) = seen.repeat([X[:1]])()
    np.testing.assert_allclose(again, wanted[:1], atol=1e-6)
    assert seen.backend.endswith("all threads")


def test_a_change_of_a_weight_is_seen_by_the_next_call():
    model = with_state()
    call = keras3.network(model).repeat([X[:1]])
    before = call()[0]
    bias = model.get_layer("logits").bias
    bias.assign(np.ones(bias.shape))
    assert (call()[0] != before).all()


DATA = {
    "arrays": lambda: (X, Y),
    "inputs alone": lambda: X,
    "lists": lambda: (X.tolist(), Y.tolist()),
    "a part of a search": lambda: forms.readable((X, Y)),
}


@pytest.mark.parametrize("form", DATA)
def test_examples_are_the_first_rows(form):
    inputs, labels = keras3.network(with_state()).examples(DATA[form](), 7)
    np.testing.assert_array_equal(inputs[0], X[:7])
    if form == "inputs alone":
        assert labels is None
    else:
        np.testing.assert_array_equal(labels, Y[:7])


def test_examples_of_batches_are_the_first_rows_of_several():
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, number):
            rows = slice(4 * number, 4 * number + 4)
            return X[rows], Y[rows]

    given = forms.readable(Batches())
    inputs, labels = keras3.network(with_state()).examples(given, 7)
    np.testing.assert_array_equal(inputs[0], X[:7])
    np.testing.assert_array_equal(labels, Y[:7])


def test_examples_are_taken_by_the_names_of_inputs():
    a, z = np.ones((4, 3), "float32"), np.zeros((4, 3), "float32")
    seen = keras3.network(two())
    inputs, _ = seen.examples({"z": z, "a": a}, 4)
    by_name = dict(zip([p.name for p in seen.inputs], inputs, strict=True))
    assert (by_name["a"] == 1).all() and (by_name["z"] == 0).all()
    with pytest.raises(ValueError, match="without 'z'"):
        seen.examples({"a": a}, 4)


def test_data_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="shape"):
        keras3.network(with_state()).examples(X[:, 1:], 4)


def test_a_file_is_read_back_by_stock_keras(tmp_path):
    model = keras3.plain(with_state())
    seen = keras3.network(model)
    seen.save(tmp_path / "model.keras")
    assert seen.loading() == [] and seen.lost() == ""
    for loaded in (
        seen.load(tmp_path / "model.keras", None, True),
        keras.models.load_model(tmp_path / "model.keras"),
    ):
        found = keras3.network(loaded).compute([X])[0]
        np.testing.assert_allclose(found, seen.compute([X])[0], atol=1e-6)


def test_a_file_of_a_class_of_the_users_says_how_it_is_loaded(tmp_path):
    seen = keras3.network(keras3.plain(subclassed()))
    assert '"Mine"' in seen.loading()[0]
    seen.save(tmp_path / "model.keras")
    loaded = seen.load(tmp_path / "model.keras", None, True)
    np.testing.assert_allclose(
        keras3.network(loaded).compute([X])[0], seen.compute([X])[0], atol=1e-6
    )


def test_a_subclassed_model_is_exported_by_the_shapes_it_was_built_with():
    seen = keras3.network(subclassed())
    assert seen.is_graph
    assert named(seen.inputs) == [("inputs", (None, FEATURES), "float32")]
    assert named(seen.outputs) == [("output", (None, 4), "float32")]
    assert seen.macs().uncounted == ("hidden", "logits")
    compaction = seen.compacted(drop_inputs=True)
    assert not compaction.removed
    assert list(compaction.left.values()) == ["Mine computes by code of its own"]


def test_a_subclassed_model_that_was_never_called_is_one_clear_error():
    seen = keras3.network(Mine())
    assert not seen.is_graph
    with pytest.raises(ExportError, match=r"shapes .* must be known.*Mine.*call it"):
        _ = seen.inputs


def test_operations_of_keras_keep_their_units():
    x = keras.Input((6,))
    y = keras.ops.relu(layers.Dense(4, name="a")(x))
    model = keras.Model(x, layers.Dense(2, name="b")(y))
    kernel = model.get_layer("b").kernel
    kernel.assign(np.array([[1.0, 1.0]] * 3 + [[0.0, 0.0]]))
    compaction = keras3.network(model).compacted(drop_inputs=False)
    assert compaction.removed == 0
    assert list(compaction.left.values()) == ["Relu is not followed"]


def test_a_layer_that_also_has_other_weights_is_left_and_named():
    inputs = keras.Input((6,))
    x = layers.Dense(4, name="a", lora_rank=2)(inputs)
    model = keras.Model(inputs, layers.Dense(2, name="b")(x))
    compaction = keras3.network(model).compacted(drop_inputs=False)
    assert compaction.left == {"a": "it has more than a kernel and a bias"}
