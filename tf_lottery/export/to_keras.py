"""Exports that TensorFlow runs: SavedModels, packed or dense, and `.keras` files."""

import functools
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tf_lottery.core.archive import PathLike
from tf_lottery.core.checks import check_choice
from tf_lottery.core.errors import ExportError
from tf_lottery.export import runtime
from tf_lottery.export._frameworks import network
from tf_lottery.export.card import Card
from tf_lottery.export.files import size
from tf_lottery.export.finish import Exported, finish
from tf_lottery.export.job import Job
from tf_lottery.export.options import Options
from tf_lottery.export.packed import read_packed, save_packed
from tf_lottery.export.runtime import SIGNATURE, Loaded, serving
from tf_lottery.export.stored import of_model

Save = Callable[[Any, Path], None]


def saved_model(
    source: Any, path: PathLike, *, layout: str = "packed", **options: Any
) -> Card:
    """Writes a SavedModel that needs no tfmot and is exactly as sparse as the ticket.

    Args:
        source: A ticket, or a model of `ticket.model()`.
        path: The directory to make.
        layout: "packed" holds masks as bits and the surviving values. They are
            unpacked once when it is loaded, by plain `tf.saved_model.load` or
            TensorFlow Serving. "dense" holds the zeros too, and the layers for
            `tf_keras.models.load_model`.
        **options: See `Options`: weights, data, compact, drop_inputs, latency_runs,
            overwrite, custom_objects, safe_mode, model, verbose.

    Returns:
        The card, also written next to the directory as JSON and Markdown.

    Raises:
        ExportError: The file would not be the ticket. Nothing is written then.
        FileExistsError: `path` exists, without `overwrite`.

    Example:
        ```python
        ticket.export("ticket", format="saved_model")
        serve = tf.saved_model.load("ticket").signatures["serving_default"]
        ```
    """
    check_choice("layout", layout, ("packed", "dense"))
    job = Job(source, path, Options.of("saved_model", options))
    model = job.compaction.model

    def load(written: Path) -> Loaded:
        return runtime.saved_model(written, model)

    def read(written: Path) -> Exported:
        if layout == "packed":
            return Exported(load(written), read_packed(written, model))
        tensors = of_model(network(model).read_dense(written))
        return Exported(load(written), tensors)

    return _finish(
        job,
        {"format": "SavedModel", "layout": layout},
        save=save_packed if layout == "packed" else _save_dense,
        save_zeros=_save_dense,
        load=load,
        read=read,
    )


def keras_file(source: Any, path: PathLike, **options: Any) -> Card:
    """Writes a `.keras` file of the plain model; it stores zeros.

    Args:
        source, **options: See `saved_model`.
        path: The file; it must end in `.keras`.
    """
    if Path(path).suffix != ".keras":
        raise ValueError(f"`path` must end in .keras. Received: {str(path)!r}.")
    job = Job(source, path, Options.of("keras", options))
    seen = network(job.compaction.model)

    def load(written: Path) -> Any:
        return seen.load(written, job.options.custom_objects, job.options.safe_mode)

    def read(written: Path) -> Exported:
        loaded = load(written)
        tensors = of_model(network(loaded).variables)
        return Exported(runtime.keras_model(loaded), tensors, notes=seen.loading())

    try:
        return _finish(
            job,
            {"format": "Keras file"},
            save=lambda model, to: network(model).save(to),
            load=lambda written: runtime.keras_model(load(written)),
            read=read,
            suffix=".keras",
        )
    except ExportError as error:
        if lost := seen.lost():
            raise ExportError(lost) from error
        raise


def _finish(
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
        (save_zeros or save)(job.source.dense, dense)
        (save_zeros or save)(job.source.model, stripped)
        return finish(
            job,
            functools.partial(save, job.compaction.model),
            read,
            format=format,
            dense=load(dense),
            sizes={"dense": size(dense), "stripped": size(stripped)},
        )


def _save_dense(model: Any, path: Path) -> None:
    network(model).save_dense(path, {SIGNATURE: serving(model)})
