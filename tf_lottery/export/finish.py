"""How every export ends: the file is written, run, compared, and moved into place."""

import contextlib
import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tf_lottery import bindings
from tf_lottery.bindings.parts import Compaction
from tf_lottery.core.errors import ExportError
from tf_lottery.export import latency, runtime, sample
from tf_lottery.export.agreement import accuracy, argmax_agreement, difference, largest
from tf_lottery.export.binding import network
from tf_lottery.export.card import Card
from tf_lottery.export.files import Size, placed, sha256, size
from tf_lottery.export.job import Job
from tf_lottery.export.runtime import Loaded
from tf_lottery.export.stored import StoredTensor

_FASTER = 0.95  # of the dense file's time; what is slower is not faster


@dataclass(frozen=True)
class Exported:
    """A file that was written, as it was read back.

    Attributes:
        loaded: The file, ready to run.
        tensors: The weights that it holds.
        macs: The multiplications of one example that it executes, and what is not
            counted.
        operators: Of a TFLite file, how often each occurs.
        notes: What a user must know of it.
    """

    loaded: Loaded
    tensors: Sequence[StoredTensor]
    macs: tuple[int, Sequence[str]]
    operators: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()


def finish(
    job: Job,
    write: Callable[[Path], None],
    read: Callable[[Path], Exported],
    *,
    format: Mapping[str, Any],
    tolerance: float,
    of_spread: bool = False,
    dense: tuple[Size, Loaded],
    stripped: Size,
    compaction: Compaction,
    rejected: Mapping[str, str] | None = None,
) -> Card:
    """Writes a file, checks what was written, and moves it into place with its card.

    Args:
        job: The export.
        write: Writes the file to a path.
        read: Reads it back.
        format, rejected: See `Card`.
        tolerance, of_spread: See `Job.check`.
        dense: The dense network's file of the same format: its size, and ready to run.
        stripped: The size of the pruned network's file with its zeros.
        compaction: What was removed of the model.

    Raises:
        ExportError: The file is not the ticket. Nothing is at its path then.
    """
    source = job.source
    with placed(job.path, job.options.overwrite) as temporary:
        write(temporary)
        exported = read(temporary)
        outputs = exported.loaded.predict(job.sample.inputs)
        job.check(outputs, tolerance, of_spread)
        _check_sparsity(job, exported.tensors)
        timed = _latency(job, exported.loaded, dense[1])
        check = _comparison(job, outputs, tolerance, of_spread)
        dense_macs = network(source.dense).macs()
        card = Card(
            file=job.path.name,
            format=format,
            weights=source.weights,
            round=source.round,
            masks=source.masks.digest()[:16],
            signature=_signature(source.model),
            ticket_density=source.masks.density,
            sha256=sha256(temporary),
            sizes={
                "dense": dense[0],
                "stripped": stripped,
                "exported": size(temporary),
            },
            tensors=exported.tensors,
            operators=exported.operators,
            removed={
                "dead": compaction.dead,
                "constant": compaction.constant,
                "inputs": compaction.inputs,
            },
            left=compaction.left,
            macs={
                "dense": dense_macs.all,
                "nominal": network(source.model).macs().nonzero,
                "executed": exported.macs[0],
                "uncounted": sorted({*dense_macs.uncounted, *exported.macs[1]}),
            },
            check=check,
            latency=timed,
            rejected=rejected or {},
            notes=[*exported.notes, *_notes(job, timed, check)],
            versions=_versions(bindings.of(source.model).keras.__name__),
        )
        card.write(temporary)
    if job.options.verbose:
        print(card)
    return card


def _check_sparsity(job: Job, tensors: Sequence[StoredTensor]) -> None:
    """Raises if a file holds more weights than the ticket."""
    kept, others = job.source.nonzero
    found = sum(tensor.nonzero for tensor in tensors)
    # Scales and shifts of BatchNorm may have become constants of more axes.
    if found > kept + others:
        raise ExportError(
            "The exported file must be as sparse as the ticket. It holds "
            f"{found:,} weights that are not zero, the ticket {kept:,}. Nothing "
            "was written."
        )


def _latency(job: Job, exported: Loaded, dense: Loaded) -> dict[str, Any] | None:
    runs = job.options.latency_runs
    if not runs:
        return None
    one = [array[:1] for array in job.sample.inputs]
    timed = latency.time_pairs(exported.repeat(one), dense.repeat(one), runs)
    return {**timed, "on": f"{exported.backend}, {latency.cpu()}", "runs": runs}


def _comparison(
    job: Job, outputs: Sequence[Any], tolerance: float, of_spread: bool
) -> dict[str, Any]:
    labels, scores = job.sample.labels, {}
    if job.source.dense_is_trained:
        dense = runtime.keras_model(job.source.dense).predict(job.sample.inputs)
        scores["dense"] = accuracy(dense, labels)
    scores["ticket"] = accuracy(job.wanted, labels)
    scores["file"] = accuracy(outputs, labels)
    return {
        "sample": str(job.sample),
        "max_difference": largest(outputs, job.wanted),
        "relative_difference": difference(outputs, job.wanted, of_spread=of_spread),
        "tolerance": tolerance,
        "argmax_agreement": argmax_agreement(outputs, job.wanted),
        "accuracy": {k: v for k, v in scores.items() if v is not None},
    }


def _notes(
    job: Job, timed: Mapping[str, Any] | None, check: Mapping[str, Any]
) -> list[str]:
    notes = []
    if timed and timed["ratio"] > _FASTER:
        notes.append("This sparsity does not make this backend faster.")
        if timed["ratio_low"] > 1:
            notes.append(
                f"The file takes {timed['ratio']:.2f} times as long as the dense "
                "network's file."
            )
    elif timed and timed["ratio_high"] > 1:
        notes.append(
            "Times varied too much here to say that the file is faster: export it "
            "again on a machine that does nothing else."
        )
    if job.was_in_half:
        notes.append(
            "The model computed in half precision; the file computes in float32, and "
            "is compared with the model in float32."
        )
    if not job.source.dense_is_trained:
        notes.append(
            "The dense network's trained weights are not at hand: its file holds "
            "others, of the same number, and its accuracy is not known."
        )
    if job.source.takes_sparse:
        notes.append(
            "The model was built for sparse inputs; the file was compared on dense "
            "ones of the same values."
        )
    if job.sample.labels is None:
        notes.append(
            "Without labels there is no accuracy: pass `data=(x, y)` (`--recipe`)."
        )
    elif check["accuracy"] and len(job.sample) == sample.SIZE:
        notes.append(
            f"Accuracies are of the first {len(job.sample):,} examples: if there are "
            "more, they may be some tenths of a point off the search's."
        )
    return notes


def _signature(model: Any) -> dict[str, str]:
    """The inputs and outputs by name: type and shape."""
    ports = (*network(model).inputs, *network(model).outputs)
    return {port.name: f"{port.dtype} {port.shape}" for port in ports}


def _versions(keras: str) -> dict[str, str]:
    found = {}
    for name in ("tf_lottery", "tensorflow", keras, "ai_edge_litert"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
