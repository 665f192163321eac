"""Exports for edge devices: the smallest TFLite file that runs as the ticket does."""

from collections.abc import Sequence
from typing import Any

from tf_lottery.core.archive import PathLike
from tf_lottery.core.checks import check_choice, check_count
from tf_lottery.core.errors import ExportError
from tf_lottery.export import by_tensorflow
from tf_lottery.export.card import Card
from tf_lottery.export.job import Job
from tf_lottery.export.options import Options
from tf_lottery.export.sample import CALIBRATION, Sample, take

# By what is quantized, how far outputs may be from the model's.
TOLERANCES = {None: 1e-5, "float16": 2e-3, "dynamic": 0.05, "int8": 0.1}


def tflite(
    source: Any,
    path: PathLike,
    *,
    quantize: str | None = None,
    sparse: bool | str = "auto",
    representative_data: Any = None,
    io: str = "float32",
    batch_size: int | None = None,
    input_shape: Sequence[int] | None = None,
    tolerance: float | None = None,
    **options: Any,
) -> Card:
    """Writes a TFLite file, after running it and comparing it with the ticket.

    Args:
        source: A ticket, or a model of `ticket.model()`.
        path: The file, by convention `*.tflite`.
        quantize: None (float32, also of a model in mixed precision), "float16",
            "dynamic" (int8 weights) or "int8" (weights and activations).
        sparse: Whether zeros are left out of the file. "auto" takes the smallest file
            that runs with and without XNNPACK and whose outputs are finite and within
            `tolerance`. True insists on a sparse file, "blocks" on 1x4 blocks, which
            run on the sparse kernel: such a file is the smallest and fastest for
            tickets with `block_size=(1, 4)`, and larger but often faster for other very
            sparse tickets.
        representative_data: For "int8": a dataset or array of inputs. Default: the
            training data of the search, if they are at hand.
        io: "float32", or "int8" with quantize="int8": the type of inputs and outputs.
            A caller of an int8 file computes `round(input / scale) + zero point`; the
            card has scale and zero point of each input and output.
        batch_size: The number of examples per call; None leaves it open. Recurrent
            layers need 1.
        input_shape: The shape of one example, such as (64, 64, 3), if the model leaves
            it open and there are no data to take it from. The file leaves it open, too.
        tolerance: How far outputs may be from the ticket's: the root mean square of
            the difference, as a fraction of that of the outputs (1e-5, float16
            0.002) or, where weights are quantized, of their spread over the examples
            (dynamic 0.05, int8 0.1).
        **options: See `Options`: weights, data, compact, drop_inputs, latency_runs,
            overwrite, custom_objects, safe_mode, model, verbose.

    Returns:
        The card, also written next to the file as JSON and Markdown. It says which
        encodings were tried and not taken.

    Raises:
        ExportError: No file runs and gives the ticket's outputs, `sparse=True` makes
            the file larger, or representative data are missing. Nothing is written
            then.
        FileExistsError: `path` exists, without `overwrite`.

    Example:
        ```python
        ticket.export("ticket.tflite", format="tflite", quantize="int8")
        ```
    """
    tolerance = TOLERANCES.get(quantize, 0.0) if tolerance is None else tolerance
    _check_arguments(quantize, sparse, representative_data, batch_size, tolerance)
    _check_io(io, quantize)
    job = Job.of(
        source,
        path,
        Options.of("tflite", {"compact": True, **options}),
        in_float32=True,
        other_data=representative_data,
        input_shape=input_shape,
        tolerance=tolerance,
        of_spread=quantize in ("dynamic", "int8"),
    )
    calibration = _calibration(job, representative_data) if quantize == "int8" else None
    own = {
        "quantize": quantize,
        "sparse": sparse,
        "io": io,
        "batch_size": batch_size,
    }
    return by_tensorflow.write(job, "tflite", own, calibration)


def _calibration(job: Job, data: Any) -> Sample:
    if data is None and job.source.data is not None:
        data = job.source.data.train
    if data is None:
        raise ExportError(
            'For quantize="int8" there must be `representative_data`, a dataset or an '
            "array of inputs on which the ranges of the activations are measured "
            "(`--recipe` on the command line). Received: none, and the ticket is not "
            "in the process of its search."
        )
    return take(data, job.source.model, "representative data", CALIBRATION)


def _check_arguments(
    quantize: Any, sparse: Any, representative: Any, batch_size: Any, tolerance: Any
) -> None:
    check_choice("quantize", quantize, tuple(TOLERANCES))
    if not isinstance(sparse, bool) and sparse not in ("auto", "blocks"):
        raise ValueError(
            '`sparse` must be one of "auto", True, False, "blocks". '
            f"Received: sparse={sparse!r}."
        )
    if representative is not None and quantize != "int8":
        raise ValueError(
            '`representative_data` must be left out unless quantize="int8". '
            f"Received: quantize={quantize!r}."
        )
    if callable(representative):
        raise ExportError(
            "`representative_data` must be a dataset or an array, from which single "
            "examples are taken. Received: a function."
        )
    if batch_size is not None:
        check_count("batch_size", batch_size)
    if not isinstance(tolerance, int | float) or not tolerance > 0:
        raise ValueError(
            f"`tolerance` must be a number above 0. Received: tolerance={tolerance!r}."
        )


def _check_io(io: Any, quantize: Any) -> None:
    check_choice("io", io, ("float32", "int8"))
    if io == "int8" and quantize != "int8":
        raise ValueError(
            'With `io="int8"`, `quantize` must be "int8", as other files compute their '
            f"inputs and outputs in float32. Received: quantize={quantize!r}. Pass "
            'quantize="int8", or leave `io` out.'
        )
