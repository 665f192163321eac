"""The packed SavedModel, read by TensorFlow alone, in another process."""

import gc
import json
import os
import pathlib
import resource
import subprocess
import sys

import numpy as np
import pytest

from tests.models import keras, layers, tf
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.core.errors import ExportError
from tf_lottery.export.files import size
from tf_lottery.export.tensorflow.packed import read_packed, save_packed
from tf_lottery.export.tensorflow.runtime import SIGNATURE, serving

PLAIN = pathlib.Path(__file__).with_name("plain.py")
BATCHES = (1, 7, 256)
Dense, Input = layers.Dense, keras.Input


def sequential(*inside, shape=(8,), **arguments):
    return keras.Sequential([Input(shape, name="x", **arguments), *inside])


@keras.saving.register_keras_serializable("packed_test")
class Ranks(layers.Layer):
    """A layer of one's own, with weights of rank 0, 1 and 4."""

    def build(self, shape):
        self.scale = self.add_weight("scale", ())
        self.shift = self.add_weight("shift", shape[-1:])
        self.four = self.add_weight("four", (2, 3, 4, shape[-1]))

    def call(self, x):
        return x * self.scale + self.shift + tf.reduce_sum(self.four, (0, 1, 2))


def with_signs():
    """-0.0, a kernel of zeros, and one without."""
    model = sequential(Dense(6, name="signs"), Dense(6, name="zeros"), Dense(6))
    signs = np.random.default_rng(0).choice([-0.0, 0.0, -1.5, 2.0], (8, 6))
    model.get_layer("signs").kernel.assign(signs)
    model.get_layer("zeros").kernel.assign(np.zeros((6, 6)))
    return model


def inputs_and_outputs():
    """A dict of inputs, one of whole numbers, to a dict of outputs."""
    features = Input((8,), name="zz")
    words = Input((3,), dtype="int32", name="aa")
    vectors = layers.Flatten()(layers.Embedding(50, 6)(words))
    joined = layers.Concatenate()([features, vectors])
    return keras.Model(
        {"first": features, "second": words},
        {"one": Dense(2, name="q")(joined), "two": Dense(3, name="p")(vectors)},
    )


def shared():
    """A layer, and a model in a model, that are called twice."""
    x, layer = Input((8,), name="x"), Dense(8)
    inner = keras.Sequential([Input((8,)), layer, Dense(8)])
    return keras.Model(x, layers.Add()([layer(x), inner(layer(x)), inner(x)]))


def odd_names():
    """Names with odd characters, and what they become in keys of a checkpoint."""
    x, y = Input((8,), name="a-b/c"), Input((8,), name="1x")
    names = ["a.b", "a/b", "a-b", "a_b", "a.S", "aSb", "a.Sb", "0", "mask", "values"]
    outputs = [Dense(3, name=name)(x) for name in names]
    return keras.Model([x, y], [layers.Add()(outputs), Dense(2, name="o-p.q")(y)])


def recurrent():
    """While loops, which capture the variables of their cells."""
    return sequential(
        layers.Bidirectional(layers.LSTM(6, return_sequences=True)),
        layers.RNN([layers.GRUCell(5), layers.LSTMCell(4)]),
        shape=(None, 3),
    )


def convolutional():
    return sequential(
        layers.Conv2D(6, 3, activation="relu"),
        layers.BatchNormalization(),
        layers.Dropout(0.5, rng_type="stateful"),  # its generator's state is int64
        layers.SeparableConv2D(4, 2),
        layers.PReLU(),
        layers.GlobalAveragePooling2D(),
        shape=(8, 8, 3),
    )


def of_type(dtype, x=None):
    return lambda: sequential(
        Dense(8, dtype=dtype), Dense(3, dtype=dtype), dtype=x or dtype
    )


MODELS = {
    "signs": with_signs,
    "ranks": lambda: sequential(Ranks(), Dense(3)),
    "inputs and outputs": inputs_and_outputs,
    "shared": shared,
    "odd names": odd_names,
    "recurrent": recurrent,
    "convolutional": convolutional,
    "float16": of_type("float16"),
    "bfloat16": of_type("bfloat16"),
    "float64": of_type("float64"),
    "mixed": of_type(keras.mixed_precision.Policy("mixed_bfloat16"), "float32"),
    "two types": lambda: sequential(Dense(8, dtype="float64"), Dense(3)),
    "without weights": lambda: sequential(layers.ReLU()),
    # Of the same names, to be loaded together.
    "one": lambda: sequential(Dense(300, name="same"), Dense(3, name="logits")),
    "another": lambda: sequential(Dense(300, name="same"), Dense(3, name="logits")),
}


def pruned(model, density, seed=0):
    """The model, its matrices at a density."""
    draw = np.random.default_rng(seed)
    for weight in model.weights:
        if len(weight.shape) > 1 and weight.dtype.is_floating:
            values = weight.numpy()
            weight.assign(np.where(draw.random(values.shape) < density, values, 0))
    return model


def examples(model, count):
    """Inputs by name; open lengths are 5."""
    draw = np.random.default_rng(0)
    found = {}
    for name, tensor in zip(model.input_names, model.inputs, strict=True):
        shape = (count, *(5 if n is None else n for n in tensor.shape[1:]))
        values = draw.normal(size=shape) * 3
        found[name] = np.abs(values) if tensor.dtype.is_integer else values
        found[name] = found[name].astype(tensor.dtype.as_numpy_dtype)
    return found


def outputs(serve, inputs):
    found = serve(*inputs.values())
    return {name: tf.cast(t, tf.float64).numpy() for name, t in found.items()}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """What another process, without our packages, found in each model's directory."""
    root = tmp_path_factory.mktemp("packed")
    for number, (name, make) in enumerate(MODELS.items()):
        keras.utils.set_random_seed(number)
        model = make()
        for weight in model.weights:  # biases and statistics that are not 0 and 1
            if len(weight.shape) < 2 and weight.dtype.is_floating:
                weight.assign(np.random.uniform(0.5, 1.5, weight.shape))
        if name != "signs":
            pruned(model, 0.3)
        folder = root / name.replace(" ", "_")
        folder.mkdir()
        save_packed(model, folder / "model")
        inputs = examples(model, max(BATCHES))
        serve = serving(model)
        for rows in BATCHES:
            first = {key: array[:rows] for key, array in inputs.items()}
            np.savez(folder / f"outputs_{rows}.npz", **outputs(serve, first))
        # NumPy cannot store bfloat16.
        inputs = {key: array.astype("f8") for key, array in inputs.items()}
        np.savez(folder / "inputs.npz", **inputs)
    done = subprocess.run(
        [sys.executable, str(PLAIN), str(root)],
        cwd=root,
        env={k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((root / "plain.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_plain_tensorflow_computes_the_same_bits(plain, name):
    found = plain[name.replace(" ", "_")]
    assert found["twice"] == found["eager"] == "0.0"
    # Sessions optimize a graph otherwise, and may add up in another order.
    assert float(found["session"]) <= 1e-5


def bound(model):
    """What masks and values need, a tenth more, and the graph of a small network."""
    weights = [w.numpy() for w in model.weights]
    needed = sum(w.size / 8 + np.count_nonzero(w) * w.itemsize for w in weights)
    return 1.1 * needed + 64 * 1024


@pytest.mark.parametrize("density", [0.0, 0.036, 0.2, 1.0])
def test_it_is_as_small_as_its_masks_and_values(tmp_path, density):
    model = sequential(
        *(Dense(units, name=f"layer{units}") for units in (300, 100, 10)), shape=(784,)
    )
    save_packed(pruned(model, density), tmp_path / "model")
    assert size(tmp_path / "model").raw <= bound(model)


def test_many_small_layers_take_little_more(tmp_path):
    inside = [Dense(96, name=f"layer{number}") for number in range(20)]
    model = pruned(sequential(*inside), 0.05)
    save_packed(model, tmp_path / "model")
    # Of which half is the graph that computes them.
    assert size(tmp_path / "model").raw <= bound(model) + 20 * 2500


@pytest.mark.slow
def test_no_weight_is_in_the_graph(tmp_path):
    """So that models over the 2 GB that a graph may have work, too."""
    inside = [Dense(7000, use_bias=False, name=f"layer{n}") for n in range(2)]
    model = pruned(sequential(*inside, shape=(50,)), 0.01)
    save_packed(model, tmp_path / "model")
    assert (tmp_path / "model/saved_model.pb").stat().st_size < 1e5
    assert size(tmp_path / "model").raw <= bound(model)
    x = np.ones((3, 50), np.float32)
    serve = tf.saved_model.load(str(tmp_path / "model")).signatures[SIGNATURE]
    (found,) = serve(x=tf.constant(x)).values()
    assert (found.numpy() == model(x).numpy()).all()


def test_the_tensors_in_the_file_are_those_of_the_model(tmp_path):
    for name in ("signs", "convolutional", "two types", "odd names"):
        model = pruned(MODELS[name](), 0.3)
        save_packed(model, tmp_path / name)
        tensors = {each.name: each for each in read_packed(tmp_path / name, model)}
        matrices = {
            path: weight.numpy()
            for path, weight in named_weights(model).items()
            if len(weight.shape) > 1
        }
        assert tensors.keys() == matrices.keys()
        for path, matrix in matrices.items():
            assert tensors[path].nonzero == np.count_nonzero(matrix)
            assert tensors[path].shape == matrix.shape
            assert tensors[path].type == matrix.dtype.name


def saved(model, path):
    save_packed(model, path)
    return tf.saved_model.load(str(path))


def test_what_was_loaded_can_be_saved_again(tmp_path):
    model = pruned(sequential(Dense(40)), 0.1)
    loaded = saved(model, tmp_path / "model")
    tf.saved_model.save(loaded, str(tmp_path / "again"), signatures=loaded.signatures)
    again = tf.saved_model.load(str(tmp_path / "again")).signatures[SIGNATURE]
    x = np.ones((3, 8), np.float32)
    (found,) = again(x=tf.constant(x)).values()
    assert (found.numpy() == model(x).numpy()).all()


def test_it_can_be_converted(tmp_path):
    model = pruned(sequential(Dense(40)), 0.1)
    save_packed(model, tmp_path / "model")
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "model"))
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    x = np.ones((1, 8), np.float32)
    (found,) = interpreter.get_signature_runner()(x=x).values()
    np.testing.assert_allclose(found, model(x), rtol=1e-5)


@pytest.mark.slow
def test_memory_is_freed_with_it(tmp_path):
    model = pruned(sequential(Dense(2000), shape=(1000,)), 0.01)
    save_packed(model, tmp_path / "model")
    resident = []
    for _ in range(12):  # 96 MB, were they kept
        tf.saved_model.load(str(tmp_path / "model"))
        gc.collect()
        pages = pathlib.Path("/proc/self/statm").read_text().split()[1]
        resident.append(int(pages) * resource.getpagesize())
    assert resident[-1] - resident[2] < 40e6


def test_the_model_is_not_changed(tmp_path):
    model = sequential(Dense(40))
    x = tf.ones((3, 8))
    before = model(x)
    save_packed(model, tmp_path / "packed")
    model.save(tmp_path / "dense")
    again = keras.models.load_model(tmp_path / "dense", compile=False)
    assert (model(x).numpy() == before.numpy()).all()
    assert (again(x).numpy() == before.numpy()).all()


@pytest.mark.parametrize("table", ["lookup", "state"])
def test_what_is_no_weight_is_refused(tmp_path, table):
    models = {
        "lookup": lambda: keras.Sequential(
            [
                Input((1,), dtype="string"),
                layers.StringLookup(vocabulary=["a", "b"]),
                layers.Embedding(4, 3),
            ]
        ),
        "state": lambda: keras.Sequential(
            [Input(batch_shape=(4, 5, 3)), layers.LSTM(4, stateful=True)]
        ),
    }
    with pytest.raises(ExportError, match='layout="dense"'):
        save_packed(models[table](), tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    "names", [["in"], ["self"], ["a b"], ["a-b", "a.b"]], ids=" ".join
)
def test_names_that_a_signature_cannot_have_are_refused(names):
    inputs = [Input((8,), name=name) for name in names]
    model = keras.Model(inputs, layers.Add()([*inputs, inputs[0]]))
    with pytest.raises(ExportError, match=f"Received: '{names[0]}'"):
        serving(model)
