"""Exports for edge devices: the smallest TFLite file that runs and is the ticket."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tf_lottery.core.errors import ExportError
from tf_lottery.core.io import PathLike
from tf_lottery.export import runtime
from tf_lottery.export.card import Card
from tf_lottery.export.compaction import Compaction
from tf_lottery.export.conversion import (
    CALIBRATION,
    QUANTIZE,
    TOLERANCES,
    convert,
    trial,
)
from tf_lottery.export.encoding import leave_zeros_out
from tf_lottery.export.flatbuffer import TFLiteFile
from tf_lottery.export.job import Exported, Job, Options
from tf_lottery.export.sample import Sample, take
from tf_lottery.export.sizes import size_of

DENSE, SPARSE, BLOCKS = "zeros stored", "zeros left out", "blocks of 1x4"


def tflite(
    source: Any,
    path: PathLike,
    *,
    quantize: str | None = None,
    sparse: bool | str = "auto",
    compact: bool = True,
    drop_inputs: bool = False,
    representative_data: Any = None,
    batch_size: int | None = None,
    tolerance: float | None = None,
    **options: Any,
) -> Card:
    """Writes a TFLite file that was run, and gives the ticket's outputs.

    Args:
        source: A ticket, or a model of `ticket.model()`.
        path: The file, by convention `*.tflite`.
        quantize: None (float32, also of a model in mixed precision), "float16",
            "dynamic" (int8 weights) or "int8" (weights and activations; inputs and
            outputs stay float32).
        sparse: Whether zeros are left out of the file. "auto" takes the smallest
            file that loads with and without XNNPACK, is finite and within
            `tolerance`; True insists on a sparse one, "blocks" on 1x4 blocks, which
            run on the sparse kernel: the smallest and fastest for tickets with
            `block_size=(1, 4)`, larger but often faster for other very sparse ones.
        compact: Whether to remove dead and constant units first, see `compact`.
        drop_inputs: With `compact`, whether to drop inputs that no weight uses.
        representative_data: For "int8": a dataset or array of inputs. Default: the
            training data of the search, where they are at hand.
        batch_size: Examples a call; None leaves it open. Recurrent layers need 1.
        tolerance: How far outputs may be from the ticket's: the root mean square of
            the difference, as a fraction of that of the outputs; by default 1e-5,
            float16 0.002, dynamic 0.05, int8 0.1.
        **options: See `Options`: weights, data, latency_runs, overwrite,
            custom_objects, safe_mode, verbose.

    Returns:
        The card, also written beside the file as JSON and Markdown. It says what was
        tried and not taken.

    Raises:
        ExportError: No file loads and gives the ticket's outputs; `sparse=True`
            makes the file larger; no representative data. Nothing is written then.
        FileExistsError: `path` exists, without `overwrite`.

    Example:
        ```python
        ticket.export("ticket.tflite", format="tflite", quantize="int8")
        ```
    """
    _check("quantize", quantize, QUANTIZE)
    _check("sparse", sparse, ("auto", True, False, "blocks"))
    tolerance = TOLERANCES[quantize] if tolerance is None else tolerance
    job = Job(source, path, Options.of("tflite", options), in_float32=True)
    calibration = _calibration(job, representative_data) if quantize == "int8" else None
    compaction = job.compacted(compact, drop_inputs)
    make = functools.partial(
        convert, quantize=quantize, calibration=calibration, batch_size=batch_size
    )
    dense = make(job.source.dense, sparse=False)
    stripped = make(job.source.model, sparse=False)

    files, rejected = _files(sparse, stripped, compaction, make)
    name, content = _smallest(files, rejected, job, tolerance)
    return job.finish(
        functools.partial(_write, content=content),
        functools.partial(_read, model=job.source.model),
        format={"format": "TFLite", "quantize": quantize, "encoding": name},
        tolerance=tolerance,
        dense=(size_of(dense), runtime.tflite(dense, job.source.model)),
        stripped=size_of(stripped),
        compaction=compaction,
        rejected=rejected,
    )


def _calibration(job: Job, data: Any) -> Sample:
    if data is None and job.source.data is not None:
        data = job.source.data.train
    if data is None:
        raise ExportError(
            'quantize="int8" needs `representative_data`, a dataset or an array of '
            "inputs on which the ranges of the activations are measured (`--recipe` on "
            "the command line). Received: none, and the ticket is not in the process "
            "of its search."
        )
    return take(data, job.source.model, "representative data", CALIBRATION)


def _files(
    sparse: bool | str,
    stripped: bytes,
    compaction: Compaction,
    make: Callable[..., bytes],
) -> tuple[dict[str, bytes], dict[str, str]]:
    """The files that were asked for by the name of their encoding.

    And why others were not made; a sparse file that was asked for must be smaller.
    """
    stored = make(compaction.model, sparse=False) if compaction.removed else stripped
    files, rejected = {DENSE: stored}, dict[str, str]()
    if sparse in ("auto", True):
        files[SPARSE] = leave_zeros_out(stored)
    if sparse is not False:
        try:
            files[BLOCKS] = make(compaction.model, sparse=True)
        except ExportError as error:
            rejected[BLOCKS] = str(error)
    if sparse in (True, "blocks"):
        del files[DENSE]
    for name, content in list(files.items()):
        if sparse != "auto" and name != DENSE and len(content) >= len(stored):
            sizes = f"{len(content):,} bytes against {len(stored):,} with zeros"
            rejected[name] = f"is no smaller, {sizes}"
            del files[name]
    return files, rejected


def _smallest(
    files: Mapping[str, bytes], rejected: dict[str, str], job: Job, tolerance: float
) -> tuple[str, bytes]:
    """The smallest file that passes its trial; the others are named in `rejected`."""
    chosen: tuple[str, bytes] | None = None
    for name, content in sorted(files.items(), key=lambda item: len(item[1])):
        if chosen:
            rejected[name] = f"is larger, {len(content):,} bytes"
            continue
        reason = trial(content, job.source.model, job.sample, job.wanted, tolerance)
        if reason:
            rejected[name] = reason
        else:
            chosen = name, content
    if chosen is None:
        reasons = " ".join(f"{name}: {why}." for name, why in rejected.items())
        raise ExportError(
            "No TFLite file of this ticket can be used as asked. Nothing was written. "
            f'{reasons} Let the file be chosen by `sparse="auto"`, use another '
            "`quantize` or `batch_size=1`, or allow more by `tolerance`."
        )
    return chosen


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _read(path: Path, model: Any) -> Exported:
    content = path.read_bytes()
    file = TFLiteFile(content)
    notes = []
    if "DENSIFY" in file.operators:
        notes.append(
            "DENSIFY unpacks weights when the file is loaded: their zeros take no room "
            "in it, but memory, and time as any number does."
        )
    if file.is_stateful:
        notes.append(
            "A recurrent layer keeps its state between calls: call "
            "`reset_all_variables()` of the interpreter before each sequence."
        )
    return Exported(
        runtime.tflite(content, model), file.tensors, file.macs, file.operators, notes
    )


def _check(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {', '.join(map(repr, choices))}. "
            f"Received: {name}={value!r}."
        )
