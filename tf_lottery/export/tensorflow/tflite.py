"""How the smallest TFLite file is found that runs as the ticket does."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tf_lottery.core.errors import ExportError
from tf_lottery.export.card import Card
from tf_lottery.export.files import size_of
from tf_lottery.export.finish import Exported, finish
from tf_lottery.export.job import Job
from tf_lottery.export.sample import Sample
from tf_lottery.export.tensorflow import runtime
from tf_lottery.export.tensorflow.conversion import convert, trial
from tf_lottery.export.tensorflow.encoding import (
    blocks_may_be_smaller,
    leave_zeros_out,
)
from tf_lottery.export.tensorflow.flatbuffer import TFLiteFile

DENSE, SPARSE, BLOCKS = "zeros stored", "zeros left out", "blocks of 1x4"
CONVERTED = "zeros left out by the converter"  # which decides itself against blocks
# The encodings to try, by `sparse`.
_WANTED: dict[bool | str, tuple[str, ...]] = {
    "auto": (DENSE, SPARSE, BLOCKS),
    True: (SPARSE, BLOCKS),
    "blocks": (BLOCKS,),
    False: (DENSE,),
}


def write(
    job: Job,
    calibration: Sample | None = None,
    *,
    quantize: str | None,
    sparse: bool | str,
    io: str,
    batch_size: int | None,
) -> Card:
    """Writes the TFLite file of an export, see `to_tflite.tflite`.

    For "int8", the ranges of activations are measured on the examples of `calibration`.
    """
    make = functools.partial(
        convert,
        quantize=quantize,
        calibration=calibration,
        io=io,
        batch_size=batch_size,
    )
    with job.progress.step("writing the dense network"):
        dense = make(job.source.dense, sparse=False)
        sizes = {"dense": size_of(dense)}
        if quantize:
            float32 = convert(job.source.dense, sparse=False, batch_size=batch_size)
            sizes["dense_float32"] = size_of(float32)
    with job.progress.step("writing the pruned network"):
        stripped = make(job.source.model, sparse=False)

    rejected, more = dict[str, str](), dict[str, str]()
    with job.progress.step("writing the file"):
        found = _smallest(job, sparse, stripped, make, rejected)
        if found is None and job.compaction.removed and sparse == "auto":
            # An int8 kernel may refuse the shapes of a smaller network.
            job.compaction = job.whole
            found = _smallest(job, sparse, stripped, make, more)
            rejected |= {f"{name}, not compacted": why for name, why in more.items()}
    if found is None:
        raise _none_of(rejected, job.sample)
    name, content = found
    if name == BLOCKS and not TFLiteFile(content).has_blocks:
        name = CONVERTED
    kind = {"quantize": quantize} | ({"io": io} if io != "float32" else {})
    return finish(
        job,
        lambda to: to.write_bytes(content),
        functools.partial(_read, model=job.source.model, quantize=quantize),
        format={"format": "TFLite", **kind, "encoding": name},
        dense=runtime.tflite(dense, job.source.model),
        sizes={**sizes, "stripped": size_of(stripped)},
        rejected=rejected,
    )


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
    tried = functools.cache(functools.partial(trial, job=job))
    files, found = dict[str, bytes](), None
    for name in _WANTED[sparse]:
        singly = sparse == "auto" and name == BLOCKS and not tried(files[SPARSE])
        if singly and not blocks_may_be_smaller(stored):
            rejected[name] = "is not smaller: its blocks would hold too many zeros"
            continue
        try:
            files[name] = written[name]()
        except ExportError as error:
            rejected[name] = str(error)
    for name, content in sorted(files.items(), key=lambda item: len(item[1])):
        reason = f"is not smaller, {len(content):,} bytes"
        if sparse != "auto" and name != DENSE and len(content) >= len(stored):
            rejected[name] = f"{reason} against {len(stored):,} with zeros"
        elif found or (reason := tried(content)):
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
    quantized = runtime.quantized_ports(content, model)
    if quantized:
        notes.append(
            "Inputs and outputs are whole numbers: an input is `round(value / scale) + "
            "zero point`, and an output means `(number - zero point) * scale`."
        )
    return Exported(
        runtime.tflite(content, model),
        file.tensors,
        file.macs,
        file.operators,
        notes,
        quantized,
    )
