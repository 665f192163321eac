"""Every TFLite file that must not be shipped, and every option that cannot be."""

import numpy as np
import pytest

from tests.export.exporting import (
    ONE_FILE,
    QUIET,
    dense_network,
    inputs,
    sparsified,
    wanted,
)
from tests.models import keras, layers, tf
from tf_lottery import ExportError, export
from tf_lottery.export.agreement import difference
from tf_lottery.export.job import Job
from tf_lottery.export.options import Options
from tf_lottery.export.tensorflow import conversion, runtime
from tf_lottery.export.tensorflow import tflite as writing
from tf_lottery.export.tensorflow.conversion import convert, trial
from tf_lottery.export.tensorflow.flatbuffer import TFLiteFile

pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket matches|Without")


def job(network, path, tolerance):
    return Job.of(network, path / "a", Options(verbose=0), tolerance=tolerance)


def test_float16_in_blocks_returns_nan_and_is_caught(tmp_path):
    network = sparsified(dense_network(256, (128, 64)), 0.02)
    content = convert(network, sparse=True, quantize="float16")
    assert "NaN" in trial(content, job(network, tmp_path, 1e-2))


@pytest.mark.slow
def test_float16_without_zeros_is_shipped_all_the_same(tmp_path):
    network = sparsified(dense_network(256, (128, 64)), 0.02)
    path = tmp_path / "half.tflite"
    card = export.tflite(network, path, quantize="float16", **QUIET)
    assert card.format["encoding"] == "zeros left out"
    assert {tensor.type for tensor in card.tensors} == {"float16"}


@pytest.mark.slow
@pytest.mark.parametrize("quantize", ["dynamic", "int8"])
def test_int8_behind_a_densify_does_not_load_and_is_caught(model, tmp_path, quantize):
    more = {"representative_data": inputs(model)} if quantize == "int8" else {}
    more |= {"compact": False, **QUIET}
    path = tmp_path / "a.tflite"
    with pytest.raises(ExportError, match="does not run with XNNPACK"):
        export.tflite(model, path, quantize=quantize, sparse=True, **more)
    assert list(tmp_path.iterdir()) == []
    card = export.tflite(model, path, quantize=quantize, **more)
    assert card.format["encoding"] == "zeros stored"
    assert "XNNPACK" in card.rejected["zeros left out"]


@pytest.mark.slow
def test_two_of_four_with_dynamic_int8_is_larger_and_refused(tmp_path):
    network = dense_network(256, (128, 64), 8)
    for weight in network.trainable_weights:
        if len(weight.shape) > 1:
            kept = np.resize([True, True, False, False], weight.shape[::-1]).T
            weight.assign(weight.numpy() * kept)
    with pytest.raises(ExportError, match="is not smaller"):
        export.tflite(
            network, tmp_path / "a.tflite", quantize="dynamic", sparse=True, **QUIET
        )


@pytest.mark.slow
def test_a_dense_network_has_no_sparse_file(tmp_path):
    with pytest.raises(ExportError, match="is not smaller"):
        export.tflite(dense_network(), tmp_path / "a.tflite", sparse=True, **QUIET)


@pytest.mark.slow
def test_a_file_with_other_outputs_is_refused(model, tmp_path, monkeypatch):
    def wrong(network, **options):
        other = keras.models.clone_model(network)
        return convert(other, **options)

    monkeypatch.setattr(writing, "convert", wrong)
    with pytest.raises(ExportError, match="differs by"):
        export.tflite(model, tmp_path / "a.tflite", compact=False, **QUIET)
    assert list(tmp_path.iterdir()) == []


def test_bytes_that_are_no_file_do_not_pass(model, tmp_path):
    assert "does not run" in trial(b"TFL3" * 10, job(model, tmp_path, 1.0))


@pytest.mark.slow
def test_int8_of_outputs_that_hardly_vary_is_refused(tmp_path):
    """Beside a large bias the error is small; of what varies nothing is left."""
    network = dense_network(16, (32,), 1)
    network.layers[-1].bias.assign([1000.0])
    x = np.random.default_rng(0).normal(size=(200, 16)).astype("f4")
    options = {"quantize": "int8", "representative_data": x, "data": x, **ONE_FILE}
    with pytest.raises(ExportError, match="differs by"):
        export.tflite(network, tmp_path / "a.tflite", **options)


@pytest.mark.slow
def test_int8_of_a_loop_is_refused_before_the_converter_crashes(tmp_path):
    network = keras.Sequential([keras.Input((4, 3)), layers.GRU(4), layers.Dense(2)])
    x = np.zeros((4, 4, 3), np.float32)
    with pytest.raises(ExportError, match="must not need a loop"):
        export.tflite(
            network,
            tmp_path / "a.tflite",
            quantize="int8",
            batch_size=1,
            representative_data=x,
            **QUIET,
        )


@pytest.mark.slow
def test_without_other_data_the_representative_ones_are_compared_on(model, tmp_path):
    x = inputs(model)[0]
    card = export.tflite(
        model, tmp_path / "a.tflite", quantize="int8", representative_data=x, **ONE_FILE
    )
    assert card.check["sample"] == "50 examples of representative data"


@pytest.mark.slow
def test_the_card_has_the_difference_that_the_file_is_judged_by(model, tmp_path):
    path, x = tmp_path / "a.tflite", inputs(model)
    options = {"quantize": "int8", "representative_data": x[0], **ONE_FILE}
    card = export.tflite(model, path, **options)
    outputs = runtime.tflite(path.read_bytes(), model).predict(x)
    judged = difference(outputs, wanted(model, x), of_spread=True)
    assert card.check["relative_difference"] == pytest.approx(judged)
    assert judged <= card.check["tolerance"]
    assert judged > 1.01 * difference(outputs, wanted(model, x))


@pytest.mark.slow
def test_a_file_that_is_not_compacted_is_tried_when_none_that_is_runs(
    tmp_path, monkeypatch
):
    network = sparsified(dense_network(64, (48, 32)), 0.03)
    smaller = export.compact(network)
    assert smaller.removed
    whole = len(convert(network, sparse=False))
    real = writing.trial

    def picky(content, job):
        stored = TFLiteFile(content).tensors
        small = sum(np.prod(t.shape) for t in stored) < 64 * 48 + 48 * 32 + 32 * 10
        return "does not run" if small else real(content, job)

    monkeypatch.setattr(writing, "trial", picky)
    card = export.tflite(network, tmp_path / "a.tflite", **QUIET)
    assert card.removed == {"dead": {}, "constant": {}, "inputs": {}}
    assert card.sizes["exported"].raw < whole
    assert "does not run" in card.rejected["zeros stored"]


def test_weights_that_are_too_small_to_quantize_are_told_of(tmp_path):
    card = export.tflite(
        dense_network(8, (8,), 3), tmp_path / "a.tflite", quantize="dynamic", **ONE_FILE
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
        ({"representative_data": [1.0]}, "unless quantize="),
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


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["tf_idf", "multi_hot"])
def test_words_are_not_for_tflite_and_the_way_out_that_is_named_works(tmp_path, mode):
    texts = np.array([["a good film"], ["a bad film"]] * 8)
    words = layers.TextVectorization(20, output_mode=mode, pad_to_max_tokens=True)
    words.adapt(texts)
    network = keras.Sequential(
        [keras.Input((1,), dtype="string"), words, layers.Dense(3)]
    )
    network.compile("sgd", "mse")
    said = 'lacks.*Bincount.*Export it with format="saved_model", layout="dense"'
    more = {"data": texts, **QUIET}
    with pytest.raises(ExportError, match=said) as caught:
        export.tflite(network, tmp_path / "words.tflite", **more)
    assert "\n" not in str(caught.value)
    export.saved_model(network, tmp_path / "words", layout="dense", **more)
