"""How every export ends: the file is written, run, compared, and moved into place."""

import functools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tf_lottery import bindings
from tf_lottery.core.errors import ExportError
from tf_lottery.export import latency
from tf_lottery.export.agreement import accuracy, argmax_agreement, largest
from tf_lottery.export.bound import network
from tf_lottery.export.card import Card
from tf_lottery.export.files import Size, placed, sha256, size
from tf_lottery.export.job import Job, versions
from tf_lottery.export.notes import notes_of, of_sizes
from tf_lottery.export.running import Loaded, keras_model
from tf_lottery.export.stored import StoredTensor

Save = Callable[[Any, Path], None]


@dataclass(frozen=True)
class Exported:
    """A file that was written, as it was read back.

    Attributes:
        loaded: The file, ready to run.
        macs: The multiplications of one example that it executes, and what is not
            counted; None: those of its model.
        tensors, operators, notes: See `Card`.
        signature: The inputs and outputs that differ from the model's, see `Card`.
    """

    loaded: Loaded
    tensors: Sequence[StoredTensor]
    macs: tuple[int, Sequence[str]] | None = None
    operators: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()
    signature: Mapping[str, str] = field(default_factory=dict)


def finish(
    job: Job,
    write: Callable[[Path], object],
    read: Callable[[Path], Exported],
    *,
    format: Mapping[str, Any],
    dense: Loaded,
    sizes: Mapping[str, Size],
    rejected: Mapping[str, str] | None = None,
) -> Card:
    """Writes a file, checks what was written, and moves it into place with its card.

    Args:
        job: The export.
        write, read: Write the file to a path, and read it back.
        format, rejected: See `Card`.
        dense: The dense network's file of the same format.
        sizes: Of files of the dense network, and of the pruned one with its zeros, see
            `Card`.

    Raises:
        ExportError: The file is not the ticket. Nothing is at its path then.
    """
    source, compaction = job.source, job.compaction
    binding = bindings.of(source.model)
    with placed(job.path, job.options.overwrite) as temporary:
        with job.progress.step("writing the file"):
            write(temporary)
        with job.progress.step("comparing the file"):
            exported = read(temporary)
            outputs = exported.loaded.predict(job.sample.inputs)
            job.check(job.difference(outputs), job.tolerance)
            check = _comparison(job, outputs)
            _check_sparsity(job, exported.tensors)
        with job.progress.step("timing the file"):
            timed = _latency(job, exported.loaded, dense)
        dense_macs = network(source.dense).macs()
        macs = network(compaction.model).macs()
        executed, uncounted = exported.macs or (macs.all, macs.uncounted)
        card = Card(
            file=job.path.name,
            format=format,
            weights=source.weights,
            round=source.round,
            masks=source.masks.digest()[:16],
            signature={**_signature(source.model), **exported.signature},
            ticket_density=source.masks.density,
            model_density=source.model_density,
            prunable_weights=source.masks.size,
            parameters=source.parameters,
            sha256=sha256(temporary),
            sizes={**sizes, "exported": size(temporary)},
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
                "executed": executed,
                "uncounted": sorted({*dense_macs.uncounted, *uncounted}),
            },
            check=check,
            latency=timed,
            rejected=rejected or {},
            notes=[
                *exported.notes,
                *notes_of(job, format, timed, check),
                *of_sizes(format, sizes, size(temporary)),
            ],
            versions={
                **job.versions,
                **versions(
                    ("tf_lottery", *binding.PACKAGES, *exported.loaded.packages)
                ),
            },
        )
        card.write(temporary)
    if job.options.verbose:
        print(card)
    return card


def finish_with_zeros(
    job: Job,
    format: Mapping[str, Any],
    *,
    save: Save,
    save_zeros: Save | None = None,
    load: Callable[[Path], Loaded],
    read: Callable[[Path], Exported],
    suffix: str = "",
) -> Card:
    """Writes the dense and the pruned network with all zeros, and finishes the file."""
    with tempfile.TemporaryDirectory() as directory:
        dense = Path(directory, f"dense{suffix}")
        stripped = Path(directory, f"stripped{suffix}")
        with job.progress.step("writing the dense network"):
            (save_zeros or save)(job.source.dense, dense)
        with job.progress.step("writing the pruned network"):
            (save_zeros or save)(job.source.model, stripped)
        return finish(
            job,
            functools.partial(save, job.compaction.model),
            read,
            format=format,
            dense=load(dense),
            sizes={"dense": size(dense), "stripped": size(stripped)},
        )


def _check_sparsity(job: Job, tensors: Sequence[StoredTensor]) -> None:
    """Raises if a file holds more weights than the ticket."""
    model = job.source.model
    arrays = bindings.of(model).weights_of(model).values()
    kept = sum(int(np.count_nonzero(array)) for array in arrays if array.ndim > 1)
    # Scales and shifts of BatchNorm may have become constants of more axes.
    others = sum(array.size for array in arrays if array.ndim <= 1)
    found = sum(tensor.nonzero for tensor in tensors)
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


def _comparison(job: Job, outputs: Sequence[Any]) -> dict[str, Any]:
    labels, scores = job.sample.labels, {}
    if job.source.dense_is_trained:
        dense = keras_model(job.source.dense).predict(job.sample.inputs)
        scores["dense"] = accuracy(dense, labels)
    scores["ticket"] = accuracy(job.wanted, labels)
    scores["file"] = accuracy(outputs, labels)
    return {
        "sample": str(job.sample),
        "max_difference": largest(outputs, job.wanted),
        "relative_difference": job.difference(outputs),
        "tolerance": job.tolerance,
        "argmax_agreement": argmax_agreement(outputs, job.wanted),
        "accuracy": {k: v for k, v in scores.items() if v is not None},
    }


def _signature(model: Any) -> dict[str, str]:
    """The inputs and outputs by name: type and shape."""
    ports = (*network(model).inputs, *network(model).outputs)
    return {port.name: f"{port.dtype} {port.shape}" for port in ports}
