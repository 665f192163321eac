"""TFLite files whose inputs and outputs are int8, for microcontrollers."""

import re

import numpy as np
import pytest

from tests.export.exporting import dense_network, inputs, sparsified, wanted
from tests.models import keras, layers
from tf_lottery import export
from tf_lottery.export.agreement import difference
from tf_lottery.export.tensorflow import runtime

pytestmark = pytest.mark.filterwarnings("ignore:Without")
ONE_FILE = {"compact": False, "sparse": False, "verbose": 0}
INT8 = {"quantize": "int8", "io": "int8", **ONE_FILE}


@pytest.fixture(scope="module")
def network():
    return sparsified(dense_network(64, (48, 32)), 0.3)


@pytest.fixture(scope="module")
def written(network, tmp_path_factory):
    """The file of a model, and its card."""
    path = tmp_path_factory.mktemp("written") / "model.tflite"
    return path, export.tflite(
        network, path, representative_data=inputs(network)[0], latency_runs=3, **INT8
    )


PORT = re.compile(r"int8 \(None, (\d+)\), scale (\S+), zero point (-?\d+)")


def interpreter(path):
    found = runtime._loaded(path.read_bytes(), xnnpack=True)
    found.allocate_tensors()
    return found


def on_card(card, name):
    """The size of a port, its scale and its zero point."""
    size, scale, zero = PORT.fullmatch(card.signature[name]).groups()
    return int(size), np.float32(scale), int(zero)


def test_inputs_and_outputs_are_int8(written):
    path, card = written
    found = interpreter(path)
    (x,), (y,) = found.get_input_details(), found.get_output_details()
    assert x["dtype"] is np.int8 and y["dtype"] is np.int8
    assert not {"QUANTIZE", "DEQUANTIZE"} & card.operators.keys()


def test_the_card_has_scales_and_zero_points(written):
    path, card = written
    found = interpreter(path)
    (x,), (y,) = found.get_input_details(), found.get_output_details()
    assert on_card(card, "x") == (64, *x["quantization"])
    assert on_card(card, "logits") == (10, *y["quantization"])
    assert card.format["io"] == "int8" and "io int8" in str(card)
    assert any("round(value / scale) + zero point" in note for note in card.notes)
    assert card.latency["microseconds"] > 0


def test_with_the_numbers_of_the_card_a_caller_gets_the_outputs(network, written):
    path, card = written
    _, scale, zero = on_card(card, "x")
    _, out_scale, out_zero = on_card(card, "logits")
    found, rows = interpreter(path), []
    (x,), (y,) = found.get_input_details(), found.get_output_details()
    examples = inputs(network)[0]
    for row in examples[:, np.newaxis]:
        whole = np.clip(np.round(row / scale) + zero, -128, 127).astype(np.int8)
        found.set_tensor(x["index"], whole)
        found.invoke()
        numbers = found.get_tensor(y["index"]).astype(np.float32)
        rows.append((numbers - out_zero) * out_scale)
    outputs = [np.concatenate(rows)]
    expected = wanted(network, [examples])
    assert difference(outputs, expected, of_spread=True) < 0.1
    loaded = runtime.tflite(path.read_bytes(), network).predict([examples])
    np.testing.assert_allclose(loaded[0], outputs[0], atol=out_scale * 1.01)


def test_it_computes_what_a_file_with_floats_at_its_ends_computes(
    network, written, tmp_path
):
    path, x = written[0], inputs(network)
    options = {**INT8, "io": "float32", "latency_runs": 0}
    floats = tmp_path / "floats.tflite"
    card = export.tflite(network, floats, representative_data=x[0], **options)
    assert card.signature["x"] == "float32 (None, 64)" and "io" not in card.format
    found, other = (
        runtime.tflite(each.read_bytes(), network).predict(x)[0]
        for each in (path, floats)
    )
    _, scale, _ = on_card(written[1], "logits")
    assert np.abs(found - other).max() <= 3 * scale  # a tie is rounded otherwise


@pytest.mark.slow
def test_whole_numbers_stay_as_they_are(tmp_path):
    words = keras.Input((6,), name="words", dtype="int32")
    x = layers.Flatten()(layers.Embedding(20, 8)(words))
    network = keras.Model(words, layers.Dense(3, name="logits")(x))
    x = np.random.default_rng(0).integers(0, 20, (80, 6)).astype(np.int32)
    path = tmp_path / "a.tflite"
    card = export.tflite(network, path, representative_data=x, latency_runs=2, **INT8)
    assert card.signature["words"] == "int32 (None, 6)"
    assert card.signature["logits"].startswith("int8 (None, 3), scale ")


@pytest.mark.parametrize("quantize", [None, "float16", "dynamic"])
def test_only_an_int8_file_can_have_int8_inputs(network, tmp_path, quantize):
    with pytest.raises(ValueError, match='With `io="int8"`, `quantize` must be "int8"'):
        export.tflite(network, tmp_path / "a.tflite", quantize=quantize, io="int8")
    assert not list(tmp_path.iterdir())


def test_another_type_is_refused(network, tmp_path):
    with pytest.raises(ValueError, match="`io` must be one of"):
        export.tflite(network, tmp_path / "a.tflite", quantize="int8", io="uint8")


def test_another_format_has_no_io(network, tmp_path):
    with pytest.raises(TypeError, match=r"Received: io.*`io` and `sparse` are of"):
        export.saved_model(network, tmp_path / "a", io="int8")
