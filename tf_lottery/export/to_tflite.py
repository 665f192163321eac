"""Exports for edge devices: the smallest TFLite file that runs as the ticket does."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tf_lottery.core.archive import PathLike
from tf_lottery.core.checks import check_choice, check_count
from tf_lottery.core.errors import ExportError
from tf_lottery.export import runtime
from tf_lottery.export.card import Card
from tf_lottery.export.conversion import CALIBRATION, TOLERANCES, convert, trial
from tf_lottery.export.encoding import leave_zeros_out
from tf_lottery.export.files import size_of
from tf_lottery.export.finish import Exported, finish
from tf_lottery.export.flatbuffer import TFLiteFile
from tf_lottery.export.job import Job
from tf_lottery.export.options import Options
from tf_lottery.export.sample import Sample, take

DENSE, SPARSE, BLOCKS = "zeros stored", "zeros left out", "blocks of 1x4"
# The encodings to try, by `sparse`.
_WANTED: dict[bool | str, tuple[str, ...]] = {
    "auto": (DENSE, SPARSE, BLOCKS),
    True: (SPARSE, BLOCKS),
    "blocks": (BLOCKS,),
    False: (DENSE,),
}


def tflite(
    source: Any,
    path: PathLike,
    *,
    quantize: str | None = None,
    sparse: bool | str = "auto",
    representative_data: Any = None,
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
            "dynamic" (int8 weights) or "int8" (weights and activations; inputs and
            outputs stay float32).
        sparse: Whether zeros are left out of the file. "auto" takes the smallest file
            that runs with and without XNNPACK and whose outputs are finite and within
            `tolerance`. True insists on a sparse file, "blocks" on 1x4 blocks, which
            run on the sparse kernel: such a file is the smallest and fastest for
            tickets with `block_size=(1, 4)`, and larger but often faster for other very
            sparse tickets.
        representative_data: For "int8": a dataset or array of inputs. Default: the
            training data of the search, if they are at hand.
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
    job = Job(
        source,
        path,
        Options.of("tflite", {"compact": True, **options}),
        in_float32=True,
        other_data=representative_data,
        input_shape=input_shape,
        tolerance=tolerance,
        of_spread=quantize in ("dynamic", "int8"),
    )
    make = functools.partial(convert, quantize=quantize, batch_size=batch_size)
    if quantize == "int8":
        calibration = _calibration(job, representative_data, batch_size)
        make = functools.partial(make, calibration=calibration)
    dense = make(job.source.dense, sparse=False)
    stripped = make(job.source.model, sparse=False)

    rejected, more = dict[str, str](), dict[str, str]()
    found = _smallest(job, sparse, stripped, make, rejected)
    if found is None and job.compaction.removed and sparse == "auto":
        # An int8 kernel may refuse the shapes of a smaller network.
        job.compaction = job.whole
        found = _smallest(job, sparse, stripped, make, more)
        rejected |= {f"{name}, not compacted": why for name, why in more.items()}
    if found is None:
        raise _none_of(rejected, job.sample)
    name, content = found
    return finish(
        job,
        lambda to: to.write_bytes(content),
        functools.partial(_read, model=job.source.model, quantize=quantize),
        format={"format": "TFLite", "quantize": quantize, "encoding": name},
        dense=runtime.tflite(dense, job.source.model),
        sizes={"dense": size_of(dense), "stripped": size_of(stripped)},
        rejected=rejected,
    )


def _calibration(job: Job, data: Any, batch_size: int | None) -> Sample:
    if data is None and job.source.data is not None:
        data = job.source.data.train
    if data is None:
        raise ExportError(
            'For quantize="int8" there must be `representative_data`, a dataset or an '
            "array of inputs on which the ranges of the activations are measured "
            "(`--recipe` on the command line). Received: none, and the ticket is not "
            "in the process of its search."
        )
    model = job.source.model
    content = convert(model, sparse=False, batch_size=batch_size)
    if "WHILE" in TFLiteFile(content).operators:
        raise ExportError(
            "In int8 a model must not need a loop in TFLite, whose converter crashes "
            "on loops. Received: a recurrent layer that becomes a loop (an LSTM on "
            'float inputs does not). Use quantize="dynamic".'
        )
    return take(data, model, "representative data", CALIBRATION)


def _smallest(
    job: Job,
    sparse: bool | str,
    stripped: bytes,
    make: Callable[..., bytes],
    rejected: dict[str, str],
) -> tuple[str, bytes] | None:
    """The smallest file that passes its trial, after the name of its encoding.

    `rejected` gets the reasons why others are not taken. A sparse file that was asked
    for must be smaller than one with zeros.
    """
    model = job.compaction.model
    stored = make(model, sparse=False) if job.compaction.removed else stripped
    written = {
        DENSE: lambda: stored,
        SPARSE: lambda: leave_zeros_out(stored),
        BLOCKS: lambda: make(model, sparse=True),
    }
    files, found = dict[str, bytes](), None
    for name in _WANTED[sparse]:
        try:
            files[name] = written[name]()
        except ExportError as error:
            rejected[name] = str(error)
    for name, content in sorted(files.items(), key=lambda item: len(item[1])):
        reason = f"is not smaller, {len(content):,} bytes"
        if sparse != "auto" and name != DENSE and len(content) >= len(stored):
            rejected[name] = f"{reason} against {len(stored):,} with zeros"
        elif found or (reason := trial(content, job)):
            rejected[name] = reason
        else:
            found = name, content
    return found


def _none_of(rejected: Mapping[str, str], sample: Sample) -> ExportError:
    reasons = " ".join(f"{name}: {why}." for name, why in rejected.items())
    return ExportError(
        "No TFLite file of this ticket can be used as asked. Nothing was written. "
        f"{reasons} They were run on {sample}: if these are not real examples, pass "
        'some as `data=`. Else use `sparse="auto"`, another `quantize`, or '
        "`batch_size=1`."
    )


def _read(path: Path, model: Any, quantize: str | None) -> Exported:
    content = path.read_bytes()
    file = TFLiteFile(content)
    notes = []
    if quantize and all(tensor.type == "float32" for tensor in file.tensors):
        notes.append(
            "The converter left all weights in float32, as it does for small matrices."
        )
    if "DENSIFY" in file.operators:
        notes.append(
            "DENSIFY unpacks weights when the file is loaded: their zeros take no room "
            "in the file, but they take memory, and are multiplied like any number."
        )
    if file.is_stateful:
        notes.append(
            "A recurrent layer keeps its state between calls: call "
            "`reset_all_variables()` of the interpreter before each sequence."
        )
    return Exported(
        runtime.tflite(content, model), file.tensors, file.macs, file.operators, notes
    )


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
