"""TFLite files: the smallest that runs, and every one that must not be shipped."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.models import arrays, compiled, images, keras, tf, tiny
from tf_lottery import ExportError, export, find_ticket
from tf_lottery.export import conversion, runtime, to_tflite
from tf_lottery.export.compare import difference
from tf_lottery.export.conversion import convert, trial
from tf_lottery.export.flatbuffer import TFLiteFile
from tf_lottery.export.sample import Sample, random
from tf_lottery.zoo import lenet

layers = keras.layers
QUIET = {"latency_runs": 0, "verbose": 0}

pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket matches|Without")


def sparsified(model, density=0.05, block=1, seed=0):
    """The model with some of its weights, in blocks of so many inputs of a unit."""
    draw = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        values = weight.numpy()
        if values.ndim > 1:
            rows, *others = values.shape
            blocks = rows % block == 0
            kept = draw.random((rows // block if blocks else rows, *others)) < density
            values *= kept.repeat(block, 0) if blocks else kept
        else:
            values = draw.normal(scale=0.1, size=values.shape)
        weight.assign(values)
    return model


def dense_network(inputs=64, units=(48, 32), outputs=10):
    keras.utils.set_random_seed(5)
    hidden = [layers.Dense(n, activation="relu", name=f"dense_{n}") for n in units]
    return keras.Sequential(
        [
            keras.Input((inputs,), name="x"),
            *hidden,
            layers.Dense(outputs, name="logits"),
        ]
    )


@pytest.fixture(scope="module")
def model():
    return sparsified(dense_network(256, (128, 64)), 0.1)


@pytest.fixture(scope="module")
def ticket():
    """A ticket in the process of its search."""
    return find_ticket(
        compiled(tiny()),
        arrays(),
        rounds=2,
        batch_size=16,
        validation_data=arrays(32, 1),
        test_data=arrays(48, 2),
        verbose=0,
    )


def inputs(model, size=50):
    return list(random(model, size).inputs)


def wanted(model, x):
    return runtime.keras_model(model).predict(x)


# What is written.


def test_the_file_gives_the_outputs_of_the_model(model, tmp_path):
    path = tmp_path / "model.tflite"
    card = export.tflite(model, path, **QUIET)
    x = inputs(model)
    found = runtime.tflite(path.read_bytes(), model).predict(x)
    np.testing.assert_allclose(found, wanted(model, x), atol=1e-5)
    assert card.sizes["exported"].raw == path.stat().st_size
    assert card.sizes["exported"].raw < 0.3 * card.sizes["dense"].raw


def test_nothing_but_the_file_and_its_card_is_written(model, tmp_path):
    card = export.tflite(model, tmp_path / "model.tflite", **QUIET)
    names = {"model.tflite", "model.tflite.card.json", "model.tflite.card.md"}
    assert {path.name for path in tmp_path.iterdir()} == names
    written = json.loads((tmp_path / "model.tflite.card.json").read_text())
    assert written["sha256"] == card.sha256
    assert written == json.loads(json.dumps(card.to_json()))


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


# The encodings, in the flatbuffer.


def encodings(path):
    return {tensor.encoding for tensor in TFLiteFile(path.read_bytes()).tensors}


def test_scattered_survivors_are_stored_one_by_one(tmp_path):
    network = sparsified(dense_network(256, (128, 64)), 0.02)
    card = export.tflite(network, tmp_path / "a.tflite", compact=False, **QUIET)
    assert encodings(tmp_path / "a.tflite") == {"sparse"}
    assert "no smaller" in card.rejected["blocks of 1x4"]
    blocks = TFLiteFile(convert(network, sparse=True))
    assert "sparse 1x4 blocks" in {tensor.encoding for tensor in blocks.tensors}


@pytest.mark.parametrize("density", [0.036, 0.2])
def test_blocks_reach_the_sparse_kernel(tmp_path, density):
    network = sparsified(dense_network(256, (128, 64), 8), density, block=4)
    path = tmp_path / "blocks.tflite"
    card = export.tflite(network, path, compact=False, **QUIET)
    assert encodings(path) == {"sparse 1x4 blocks"}
    assert "DENSIFY" not in card.operators
    assert card.macs["executed"] == card.macs["nominal"]


def test_a_ticket_of_blocks_is_exported_as_blocks(tmp_path):
    ticket = find_ticket(
        compiled(dense_network(32, (32, 16), 4)),
        (np.random.default_rng(0).normal(size=(64, 32)), np.arange(64) % 4),
        rounds=3,
        pruning_rate=0.5,
        block_size=(1, 4),
        verbose=0,
    )
    card = ticket.export(tmp_path / "t.tflite", "tflite", compact=False, **QUIET)
    assert {tensor.encoding for tensor in card.tensors} == {"sparse 1x4 blocks"}
    assert "DENSIFY" not in card.operators


def test_blocks_can_be_asked_for(tmp_path):
    network = sparsified(dense_network(256, (128, 64)), 0.02)
    path = tmp_path / "blocks.tflite"
    export.tflite(network, path, sparse="blocks", compact=False, **QUIET)
    assert "sparse 1x4 blocks" in encodings(path)


def test_the_card_counts_what_the_file_multiplies():
    network = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, padding="same"),
            layers.DepthwiseConv2D(3),
            layers.Flatten(),
            layers.Dense(5),
        ]
    )
    counted, uncounted = TFLiteFile(convert(network, sparse=False)).macs
    assert counted == 8 * 8 * 4 * 27 + 6 * 6 * 4 * 9 + 144 * 5
    assert uncounted == []
    from tf_lottery.export.macs import macs

    assert macs(network).all == counted


def test_many_multiplications_do_not_overflow():
    network = keras.Sequential(
        [keras.Input((64, 64, 128)), layers.Conv2D(512, 3, padding="same")]
    )
    counted, _ = TFLiteFile(convert(network, sparse=False)).macs
    assert counted == 64 * 64 * 512 * 9 * 128


# What must not be shipped.


def test_float16_in_blocks_returns_nan_and_is_caught():
    network = sparsified(dense_network(256, (128, 64)), 0.02)
    sample = random(network, 20)
    content = convert(network, sparse=True, quantize="float16")
    reason = trial(content, network, sample, wanted(network, sample.inputs), 1e-2)
    assert "NaN" in reason


def test_float16_without_zeros_is_shipped_all_the_same(tmp_path):
    network = sparsified(dense_network(256, (128, 64)), 0.02)
    path = tmp_path / "half.tflite"
    card = export.tflite(network, path, quantize="float16", **QUIET)
    assert card.format["encoding"] == "zeros left out"
    assert {tensor.type for tensor in card.tensors} == {"float16"}


@pytest.mark.parametrize("quantize", ["dynamic", "int8"])
def test_int8_behind_a_densify_does_not_load_and_is_caught(model, tmp_path, quantize):
    more = {"representative_data": inputs(model)} if quantize == "int8" else {}
    path = tmp_path / "a.tflite"
    with pytest.raises(ExportError, match="does not run with XNNPACK"):
        export.tflite(model, path, quantize=quantize, sparse=True, **more, **QUIET)
    assert list(tmp_path.iterdir()) == []
    card = export.tflite(model, path, quantize=quantize, **more, **QUIET)
    assert card.format["encoding"] == "zeros stored"
    assert "XNNPACK" in card.rejected["zeros left out"]


def test_two_of_four_with_dynamic_int8_is_larger_and_refused(tmp_path):
    network = dense_network(256, (128, 64), 8)
    for weight in network.trainable_weights:
        if len(weight.shape) > 1:
            kept = np.resize([True, True, False, False], weight.shape[::-1]).T
            weight.assign(weight.numpy() * kept)
    with pytest.raises(ExportError, match="is no smaller"):
        export.tflite(
            network, tmp_path / "a.tflite", quantize="dynamic", sparse=True, **QUIET
        )


def test_a_dense_network_has_no_sparse_file(tmp_path):
    with pytest.raises(ExportError, match="is no smaller"):
        export.tflite(dense_network(), tmp_path / "a.tflite", sparse=True, **QUIET)


def test_a_file_with_other_outputs_is_refused(model, tmp_path, monkeypatch):
    def wrong(network, **options):
        other = keras.models.clone_model(network)
        return convert(other, **options)

    monkeypatch.setattr(to_tflite, "convert", wrong)
    with pytest.raises(ExportError, match="differs by"):
        export.tflite(model, tmp_path / "a.tflite", **QUIET)
    assert list(tmp_path.iterdir()) == []


def test_bytes_that_are_no_file_do_not_pass(model):
    sample = random(model, 3)
    outputs = wanted(model, sample.inputs)
    assert "does not run" in trial(b"TFL3" * 10, model, sample, outputs, 1.0)


def test_int8_of_outputs_that_hardly_vary_is_refused(tmp_path):
    """Beside a large bias the error is small; of what varies nothing is left."""
    network = dense_network(16, (32,), 1)
    network.layers[-1].bias.assign([1000.0])
    x = np.random.default_rng(0).normal(size=(200, 16)).astype("f4")
    options = {"quantize": "int8", "representative_data": x, "data": x, **QUIET}
    with pytest.raises(ExportError, match="differs by"):
        export.tflite(network, tmp_path / "a.tflite", **options)


def test_int8_of_a_loop_is_refused_before_the_converter_crashes(tmp_path):
    network = keras.Sequential([keras.Input((4, 3)), layers.GRU(4), layers.Dense(2)])
    x = np.zeros((4, 4, 3), np.float32)
    with pytest.raises(ExportError, match="without a loop"):
        export.tflite(
            network,
            tmp_path / "a.tflite",
            quantize="int8",
            batch_size=1,
            representative_data=x,
            **QUIET,
        )


def test_without_other_data_the_representative_ones_are_compared_on(model, tmp_path):
    x = inputs(model)[0]
    card = export.tflite(
        model, tmp_path / "a.tflite", quantize="int8", representative_data=x, **QUIET
    )
    assert card.check["sample"] == "50 examples of representative data"


def test_the_card_has_the_difference_that_the_file_is_judged_by(model, tmp_path):
    path, x = tmp_path / "a.tflite", inputs(model)
    options = {"quantize": "int8", "representative_data": x[0], **QUIET}
    card = export.tflite(model, path, **options)
    outputs = runtime.tflite(path.read_bytes(), model).predict(x)
    judged = difference(outputs, wanted(model, x), of_spread=True)
    assert card.check["relative_difference"] == pytest.approx(judged)
    assert judged <= card.check["tolerance"]
    assert judged > 1.01 * difference(outputs, wanted(model, x))


def test_a_file_that_is_not_compacted_is_tried_when_none_that_is_runs(
    tmp_path, monkeypatch
):
    network = sparsified(dense_network(64, (48, 32)), 0.03)
    smaller = export.compact(network)
    assert smaller.removed
    whole = len(convert(network, sparse=False))
    real = to_tflite.trial

    def picky(content, **options):
        stored = TFLiteFile(content).tensors
        small = sum(np.prod(t.shape) for t in stored) < 64 * 48 + 48 * 32 + 32 * 10
        return "does not run" if small else real(content, **options)

    monkeypatch.setattr(to_tflite, "trial", picky)
    card = export.tflite(network, tmp_path / "a.tflite", **QUIET)
    assert card.removed == {"dead": {}, "constant": {}, "inputs": {}}
    assert card.sizes["exported"].raw < whole
    assert "does not run" in card.rejected["zeros stored"]


def test_weights_that_are_too_small_to_quantize_are_told_of(tmp_path):
    card = export.tflite(
        dense_network(8, (8,), 3), tmp_path / "a.tflite", quantize="dynamic", **QUIET
    )
    assert any("left all weights in float32" in note for note in card.notes)


def test_a_network_that_is_too_large_is_refused_before_work(
    model, tmp_path, monkeypatch
):
    monkeypatch.setattr(conversion, "LIMIT", 100_000)
    with pytest.raises(ExportError, match="packed SavedModel"):
        export.tflite(model, tmp_path / "a.tflite", **QUIET)


def test_an_operator_that_tflite_lacks_is_named(tmp_path):
    network = keras.Sequential(
        [keras.Input((4, 4)), layers.Lambda(tf.linalg.inv), layers.Dense(2)]
    )
    with pytest.raises(ExportError, match=r"MatrixInverse.*saved_model"):
        export.tflite(network, tmp_path / "a.tflite", **QUIET)


def test_int8_needs_representative_data(model, tmp_path):
    with pytest.raises(ExportError, match="representative_data"):
        export.tflite(model, tmp_path / "a.tflite", quantize="int8", **QUIET)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"quantize": "int4"}, "`quantize` must be one of"),
        ({"sparse": "yes"}, "`sparse` must be one of"),
        ({"sparse": 0}, "`sparse` must be one of"),
        ({"batch_size": 0}, "`batch_size` must be an integer >= 1"),
        ({"tolerance": -1}, "`tolerance` must be a number above 0"),
        ({"tolerance": "low"}, "`tolerance` must be a number above 0"),
        ({"tolerance": float("nan")}, "`tolerance` must be a number above 0"),
        ({"representative_data": [1.0]}, "is for quantize"),
        ({"drop_inputs": True, "compact": False}, "needs `compact=True`"),
    ],
)
def test_a_wrong_value_is_an_error_before_work(model, tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        export.tflite(model, tmp_path / "a.tflite", **wrong, **QUIET)


def test_a_function_of_examples_is_no_representative_data(model, tmp_path):
    with pytest.raises(ExportError, match="Received: a function"):
        export.tflite(
            model,
            tmp_path / "a.tflite",
            quantize="int8",
            representative_data=lambda: iter([]),
            **QUIET,
        )


def test_an_option_of_another_format_is_named(model, tmp_path):
    with pytest.raises(TypeError, match="layout"):
        export.tflite(model, tmp_path / "a.tflite", layout="packed")


# Tickets.


def test_the_training_data_of_the_search_serve_for_int8(ticket, tmp_path):
    card = ticket.export(tmp_path / "t.tflite", "tflite", quantize="int8", **QUIET)
    assert {tensor.type for tensor in card.tensors} == {"int8"}
    assert card.check["sample"] == "48 examples of test data"
    assert set(card.check["accuracy"]) == {"dense", "ticket", "file"}


def test_a_trained_model_of_a_ticket_is_exported(ticket, tmp_path):
    trained = ticket.model()
    trained.fit(*arrays(), verbose=0)
    x, _ = arrays(20, 5)
    export.tflite(trained, tmp_path / "t.tflite", **QUIET)
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


@pytest.mark.parametrize("make", [several, normed])
def test_networks_of_other_kinds_are_exported(tmp_path, make):
    network = sparsified(make(), 0.3)
    card = export.tflite(network, tmp_path / "a.tflite", **QUIET)
    assert card.check["relative_difference"] < 1e-5


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
    card = export.tflite(network, tmp_path / "a.tflite", **QUIET)
    assert {tensor.type for tensor in card.tensors} == {"float32"}
    assert any("half precision" in note for note in card.notes)
    x = inputs(network)
    found = runtime.tflite((tmp_path / "a.tflite").read_bytes(), network).predict(x)
    np.testing.assert_allclose(found, wanted(network, x), atol=0.05)


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
