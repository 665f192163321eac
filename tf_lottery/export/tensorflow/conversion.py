"""From a Keras model to a TFLite file, and the trial that a file has to pass.

The converter writes files that do not load (int8 weights behind a DENSIFY, with
XNNPACK) and files that load and return NaN (float16 in sparse blocks). So each file is
run before it is trusted.

References: tensorflow issues 56166 and 60762.
"""

import re
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery.core.errors import ExportError
from tf_lottery.core.words import quiet
from tf_lottery.export.bound import network
from tf_lottery.export.job import Job
from tf_lottery.export.sample import Sample
from tf_lottery.export.tensorflow import runtime
from tf_lottery.export.tensorflow._imports import tf
from tf_lottery.export.tensorflow.flatbuffer import TFLiteFile
from tf_lottery.export.tensorflow.runtime import SIGNATURE, serving

LIMIT = 2**31  # bytes of a flatbuffer


def convert(
    model: Any,
    *,
    sparse: bool,
    quantize: str | None = None,
    calibration: Sample | None = None,
    io: str = "float32",
    batch_size: int | None = None,
) -> bytes:
    """The TFLite file of a plain Keras model, see `tflite`.

    If it is `sparse`, the converter leaves zeros out, in 1x4 blocks where it can. For
    "int8", the ranges of activations are measured on the examples of `calibration`.

    Raises:
        ExportError: The converter fails; the message has its words.
    """
    weights = network(model).variables.values()
    size = sum(int(tf.size(w)) * w.dtype.size for w in weights)
    if size >= LIMIT:
        raise ExportError(
            f"A network for TFLite must have less than {LIMIT:,} bytes of weights. "
            f"Received: {size:,} bytes. Export a packed SavedModel, which has no such "
            "limit."
        )
    optimize = tf.lite.Optimize
    with tempfile.TemporaryDirectory() as directory, quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        serve = serving(model, batch_size)
        if quantize == "int8" and runtime.has_loop(serve):
            _check_no_loop(model, batch_size)
        tf.saved_model.save(
            _held(serve, model), directory, signatures={SIGNATURE: serve}
        )
        converter = tf.lite.TFLiteConverter.from_saved_model(
            directory, signature_keys=[SIGNATURE]
        )
        converter.optimizations = [optimize.EXPERIMENTAL_SPARSITY] if sparse else []
        if quantize:
            converter.optimizations.append(optimize.DEFAULT)
        if quantize == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if quantize == "int8":
            assert calibration is not None
            converter.representative_dataset = lambda: _rows(model, calibration)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.dtypes.as_dtype(io)
            converter.inference_output_type = tf.dtypes.as_dtype(io)
        try:
            content: bytes = converter.convert()
        except Exception as error:  # the converter raises whatever its parts raise
            raise ExportError(_explained(error, model, batch_size)) from error
    return content


def trial(content: bytes, job: Job) -> str:
    """Runs a file with and without XNNPACK; returns why it cannot be used, or ""."""
    for xnnpack in (False, True):
        where = f"with{'' if xnnpack else 'out'} XNNPACK"
        try:
            with quiet():
                loaded = runtime.tflite(content, job.source.model, xnnpack=xnnpack)
                outputs = loaded.predict(job.sample.inputs)
        except (RuntimeError, ValueError) as error:
            return f"does not run {where}: {_line(error)}"
        found = job.difference(outputs)
        if np.isnan(found):
            return f"returns NaN or infinities {where}"
        if found > job.tolerance:
            return f"differs by {found:.2g} {where}, more than {job.tolerance}"
    return ""


def _held(serve: Any, model: Any) -> Any:
    """What a function uses: variables alone if it can be, and no layers.

    Of a layer that it holds, a SavedModel gets functions of its own, which the
    converter does not use: of MobileNetV2 they took most of an export's time.
    """
    function = serve.get_concrete_function()
    variables = list(function.graph.variables)
    handles = {id(variable.handle) for variable in variables}
    captured = (each for each in function.captured_inputs if each.dtype == tf.resource)
    if not all(id(each) in handles for each in captured):
        return network(model).trackable  # it has tables, too
    held = tf.Module()
    held.variables_used = variables
    return held


def _check_no_loop(model: Any, batch_size: int | None) -> None:
    """Raises if the loops of a model are loops in TFLite, too: an LSTM is not."""
    content = convert(model, sparse=False, batch_size=batch_size)
    if "WHILE" in TFLiteFile(content).operators:
        raise ExportError(
            "In int8 a model must not need a loop in TFLite, whose converter crashes "
            "on loops. Received: a recurrent layer that becomes a loop (an LSTM on "
            'float inputs does not). Use quantize="dynamic".'
        )


def _rows(model: Any, sample: Sample) -> Iterator[dict[str, NDArray[Any]]]:
    for row in range(len(sample)):
        yield {
            port.name: array[row : row + 1]
            for port, array in zip(network(model).inputs, sample.inputs, strict=True)
        }


def _explained(error: Exception, model: Any, batch_size: int | None) -> str:
    text, layers = str(error), network(model).adapted
    if "TensorList" in text and batch_size is None:
        return (
            "A recurrent layer cannot be converted to TFLite with an open batch size. "
            "Pass `batch_size=1` (`--batch_size=1`)."
        )
    adapted = (
        f" The reason may be {', '.join(layers)}: search a model without such layers, "
        "whose inputs are what they compute, or keep them."
    ) * bool(layers)
    missing = sorted({*re.findall(r"'tf\.(\w+)' op is neither", text)})
    if not missing:
        return f"TFLite cannot hold this model: {_line(error)}.{adapted}"
    # A packed SavedModel holds no lookup table.
    layout = ', layout="dense"' if layers else ""
    return (
        f"TFLite must have every operator of the model. It lacks, for these types, "
        f"{', '.join(missing)}.{adapted} Export it with "
        f'format="saved_model"{layout}.'
    )


def _line(error: Exception) -> str:
    """The first line of a message that says something, shortened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "error:" in line.lower()] or lines or ["?"]
    text = telling[0].rpartition("error: ")[2]
    return text.rstrip(".") if len(text) < 200 else f"{text[:200]}.."
