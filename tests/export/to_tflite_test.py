"""TFLite files: the smallest that runs, of tickets and of networks of many kinds."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.export.exporting import ONE_FILE, QUIET, inputs, sparsified, wanted
from tests.models import arrays, images, keras, layers
from tf_lottery import ExportError, export
from tf_lottery.export.sample import Sample
from tf_lottery.export.tensorflow import conversion, runtime, tflite
from tf_lottery.export.tensorflow.conversion import convert
from tf_lottery.zoo import lenet

pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket matches|Without")


# What is written.


@pytest.fixture(scope="module")
def written(model, tmp_path_factory):
    """The file of a model, and its card."""
    path = tmp_path_factory.mktemp("written") / "model.tflite"
    return path, export.tflite(model, path, **QUIET)


def test_the_file_gives_the_outputs_of_the_model(model, written):
    path, card = written
    x = inputs(model)
    found = runtime.tflite(path.read_bytes(), model).predict(x)
    np.testing.assert_allclose(found, wanted(model, x), atol=1e-5)
    assert card.sizes["exported"].raw == path.stat().st_size
    assert card.sizes["exported"].raw < 0.3 * card.sizes["dense"].raw


@pytest.mark.parametrize(
    ("quantize", "more"),
    [(None, 0), pytest.param("float16", 1, marks=pytest.mark.slow)],
)
def test_a_quantized_file_is_compared_with_one_float32_file_of_the_dense_network(
    model, tmp_path, monkeypatch, quantize, more
):
    made = []

    def counted(model, **options):
        made.append((options.get("quantize"), convert(model, **options)))
        return made[-1][1]

    monkeypatch.setattr(tflite, "convert", counted)
    path = tmp_path / "model.tflite"
    card = export.tflite(model, path, quantize=quantize, **ONE_FILE)
    assert len(made) == 2 + more  # the dense network and the pruned one
    if more:
        (float32,) = (content for name, content in made if name is None)
        assert card.sizes["dense_float32"].raw == len(float32)
        assert card.sizes["dense"].raw < 0.6 * len(float32)
    else:
        assert "dense_float32" not in card.sizes


def test_nothing_but_the_file_and_its_card_is_written(written):
    path, card = written
    names = {"model.tflite", "model.tflite.card.json", "model.tflite.card.md"}
    assert {each.name for each in path.parent.iterdir()} == names
    found = json.loads(path.with_name("model.tflite.card.json").read_text())
    assert found["sha256"] == card.sha256
    assert found == json.loads(json.dumps(card.to_json()))


FRESH = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"tensorflow", "tf_keras", "tf_lottery", "keras"}:
            raise ImportError(name)
sys.meta_path.insert(0, Blocked())
import numpy as np
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(model_path=sys.argv[1])
runner = interpreter.get_signature_runner("serving_default")
x, y = np.load(sys.argv[2]), np.load(sys.argv[3])
(name,), (output,) = runner.get_input_details(), runner.get_output_details()
print(np.abs(runner(**{name: x})[output] - y).max(), np.abs(y).max())
"""


@pytest.mark.slow
@pytest.mark.first_case
@pytest.mark.parametrize(
    ("quantize", "allowed"),
    [(None, 1e-5), ("float16", 5e-3), ("dynamic", 0.1), ("int8", 0.5)],
)
def test_a_process_with_only_litert_and_numpy_reads_a_thousand_real_images(
    tmp_path, quantize, allowed
):
    network = sparsified(lenet.lenet_300_100(), 0.2)
    x = images(1000)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", network(x).numpy())
    path = tmp_path / "lenet.tflite"
    more = {"representative_data": x} if quantize == "int8" else {}
    export.tflite(network, path, quantize=quantize, data=x, **more, **QUIET)
    files = [path, tmp_path / "x.npy", tmp_path / "y.npy"]
    done = subprocess.run(
        [sys.executable, "-c", FRESH, *map(str, files)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    difference, largest = map(float, done.stdout.split())
    assert difference <= allowed * largest


def test_an_open_batch_takes_any_number_of_examples(model):
    content = convert(model, sparse=True)
    loaded = runtime.tflite(content, model)
    for size in (1, 7, 256):
        x = inputs(model, size)
        np.testing.assert_allclose(loaded.predict(x), wanted(model, x), atol=1e-5)


def test_a_fixed_batch_takes_any_number_too(model):
    content = convert(model, sparse=False, batch_size=4)
    loaded = runtime.tflite(content, model)
    for size in (1, 4, 7):
        x = inputs(model, size)
        np.testing.assert_allclose(loaded.predict(x), wanted(model, x), atol=1e-5)


# Tickets.


@pytest.mark.slow
def test_the_training_data_of_the_search_serve_for_int8(ticket, tmp_path):
    card = ticket.export(tmp_path / "t.tflite", "tflite", quantize="int8", **ONE_FILE)
    assert {tensor.type for tensor in card.tensors} == {"int8"}
    assert card.check["sample"] == "48 examples of test data"
    assert set(card.check["accuracy"]) == {"dense", "ticket", "file"}


@pytest.mark.slow
def test_a_trained_model_of_a_ticket_is_exported(ticket, tmp_path):
    trained = ticket.model()
    trained.fit(*arrays(), verbose=0)
    x, _ = arrays(20, 5)
    export.tflite(trained, tmp_path / "t.tflite", **ONE_FILE)
    found = runtime.tflite((tmp_path / "t.tflite").read_bytes(), trained).predict([x])
    np.testing.assert_allclose(found[0], trained.predict(x, verbose=0), atol=1e-5)


# Networks of other kinds.


@keras.saving.register_keras_serializable("tests")
class Doubled(layers.Layer):
    def call(self, inputs):
        return 2 * inputs


def several():
    a, b = keras.Input((8,), name="a"), keras.Input((4,), name="b", dtype="int32")
    embedded = layers.Flatten()(layers.Embedding(20, 6)(b))
    x = layers.Concatenate()([layers.Dense(8)(a), embedded])
    outputs = [layers.Dense(3, name="p")(x), layers.Dense(2, name="q")(x)]
    return keras.Model({"a": a, "b": b}, outputs)


def normed():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(6, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Flatten(),
            Doubled(),
            layers.Dense(3),
        ]
    )


@pytest.mark.slow
@pytest.mark.parametrize("make", [several, normed])
def test_networks_of_other_kinds_are_exported(tmp_path, make):
    network = sparsified(make(), 0.3)
    card = export.tflite(network, tmp_path / "a.tflite", **QUIET)
    assert card.check["relative_difference"] < 1e-5


@pytest.mark.first_case
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float16"])
def test_a_model_of_half_precision_is_exported_in_float32(tmp_path, policy):
    network = keras.Sequential(
        [
            keras.Input((16,)),
            layers.Dense(
                32, activation="relu", dtype=keras.mixed_precision.Policy(policy)
            ),
            layers.Dense(3, dtype="float32"),
        ]
    )
    card = export.tflite(network, tmp_path / "a.tflite", **ONE_FILE)
    assert {tensor.type for tensor in card.tensors} == {"float32"}
    assert any("half precision" in note for note in card.notes)
    x = inputs(network)
    found = runtime.tflite((tmp_path / "a.tflite").read_bytes(), network).predict(x)
    np.testing.assert_allclose(found, wanted(network, x), atol=0.05)


@pytest.mark.slow
def test_layers_inside_layers_leave_half_precision_too(tmp_path, global_policy):
    global_policy("mixed_bfloat16")
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    recurrent = layers.Bidirectional(layers.LSTM(3, return_sequences=True))
    network = keras.Sequential(
        [
            keras.Input((6, 4), batch_size=1),
            layers.TimeDistributed(inner),
            recurrent,
            layers.TimeDistributed(layers.Dense(2, dtype="float32"), dtype="float32"),
        ]
    )
    card = export.tflite(network, tmp_path / "a.tflite", batch_size=1, **ONE_FILE)
    types = {tensor.type for tensor in card.tensors}
    assert "float32" in types and types.isdisjoint({"float16", "bfloat16"})
    x = inputs(network)
    found = runtime.tflite((tmp_path / "a.tflite").read_bytes(), network).predict(x)
    np.testing.assert_allclose(found, wanted(network, x), atol=0.05)


@pytest.mark.slow
def test_a_recurrent_layer_says_that_it_needs_a_batch_of_one(tmp_path):
    network = keras.Sequential([keras.Input((6, 4)), layers.LSTM(5), layers.Dense(3)])
    with pytest.raises(ExportError, match="batch_size=1"):
        export.tflite(network, tmp_path / "a.tflite", **QUIET)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_a_recurrent_layer_is_exported_with_a_batch_of_one(tmp_path, kind):
    network = keras.Sequential([keras.Input((6, 4)), kind(5), layers.Dense(3)])
    card = export.tflite(network, tmp_path / "a.tflite", batch_size=1, **QUIET)
    assert card.check["relative_difference"] < 1e-5
    if kind is layers.LSTM:
        assert any("reset_all_variables" in note for note in card.notes)


def test_calibration_sees_one_example_at_a_time(model):
    sample = Sample(tuple(inputs(model, 3)), None, "x")
    rows = list(conversion._rows(model, sample))
    assert [row["x"].shape for row in rows] == [(1, 256)] * 3
