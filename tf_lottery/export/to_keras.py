"""Exports that TensorFlow runs: SavedModels, packed or dense, and `.keras` files."""

import contextlib
import dataclasses
import functools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tf_lottery.core.archive import PathLike
from tf_lottery.core.errors import ExportError
from tf_lottery.export import runtime, stored
from tf_lottery.export._tensorflow import tf
from tf_lottery.export.binding import network
from tf_lottery.export.card import Card
from tf_lottery.export.files import Size, size
from tf_lottery.export.finish import Exported, finish
from tf_lottery.export.job import EXACT, Job, Options
from tf_lottery.export.packed import read_packed, save_packed
from tf_lottery.export.runtime import SIGNATURE, serving

LAYOUTS = ("packed", "dense")


def saved_model(
    source: Any,
    path: PathLike,
    *,
    layout: str = "packed",
    compact: bool = False,
    drop_inputs: bool = False,
    **options: Any,
) -> Card:
    """Writes a SavedModel that needs no tfmot and is exactly as sparse as the ticket.

    Args:
        source: A ticket, or a model of `ticket.model()`.
        path: The directory to make.
        layout: "packed" holds masks as bits and the surviving values. They are
            unpacked once when it is loaded, by plain `tf.saved_model.load` or
            TensorFlow Serving. "dense" holds the zeros too, and the layers for
            `tf_keras.models.load_model`.
        compact: Whether to remove dead and constant units first, see `compact`.
        drop_inputs: With `compact`, whether to drop inputs that no weight uses.
        **options: See `Options`: weights, data, latency_runs, overwrite,
            custom_objects, safe_mode, model, verbose.

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
    if layout not in LAYOUTS:
        raise ValueError(
            f'`layout` must be "packed" or "dense". Received: layout={layout!r}.'
        )
    job = Job(source, path, Options.of("saved_model", options))
    compaction = job.compacted(compact, drop_inputs)
    model = compaction.model

    def read(written: Path) -> Exported:
        if layout == "packed":
            tensors = read_packed(written, model)
        else:
            loaded = tf.saved_model.load(str(written)).variables
            variables = [v for v in loaded if v is not None]  # a lookup's vocabulary
            tensors = stored.of_model({v.name.split(":")[0]: v for v in variables})
        return _exported(runtime.saved_model(written, model), tensors, model)

    with tempfile.TemporaryDirectory() as directory:
        dense, stripped = _references(job, Path(directory), _save_dense)
        return finish(
            job,
            lambda to: (save_packed if layout == "packed" else _save_dense)(model, to),
            read,
            format={"format": "SavedModel", "layout": layout},
            tolerance=EXACT,
            dense=(dense, runtime.saved_model(Path(directory, "dense"), model)),
            stripped=stripped,
            compaction=compaction,
        )


def keras_file(
    source: Any,
    path: PathLike,
    *,
    compact: bool = False,
    drop_inputs: bool = False,
    **options: Any,
) -> Card:
    """Writes a `.keras` file of the plain model; it stores zeros.

    Args:
        source, compact, drop_inputs, **options: See `saved_model`.
        path: The file; it must end in `.keras`.
    """
    if Path(path).suffix != ".keras":
        raise ValueError(f"`path` must end in .keras. Received: {str(path)!r}.")
    job = Job(source, path, Options.of("keras", options))
    compaction = job.compacted(compact, drop_inputs)
    model = compaction.model
    load = functools.partial(
        network(model).load,
        custom_objects=job.options.custom_objects,
        safe_mode=job.options.safe_mode,
    )

    def read(written: Path) -> Exported:
        loaded = load(written)
        tensors = stored.of_model(network(loaded).variables)
        exported = _exported(runtime.keras_model(loaded), tensors, model)
        return dataclasses.replace(exported, notes=network(model).loading())

    with tempfile.TemporaryDirectory() as directory, _naming_losses(model):
        dense, stripped = _references(job, Path(directory), _save_keras, ".keras")
        return finish(
            job,
            lambda to: _save_keras(model, to),
            read,
            format={"format": "Keras file"},
            tolerance=EXACT,
            dense=(dense, runtime.keras_model(load(Path(directory, "dense.keras")))),
            stripped=stripped,
            compaction=compaction,
        )


def _references(
    job: Job, directory: Path, save: Callable[[Any, Path], None], suffix: str = ""
) -> tuple[Size, Size]:
    """Writes the dense and the stripped network, and returns their sizes."""
    models = {"dense": job.source.dense, "stripped": job.source.model}
    for name, model in models.items():
        save(model, directory / f"{name}{suffix}")
    dense, stripped = (size(directory / f"{name}{suffix}") for name in models)
    return dense, stripped


def _exported(loaded: runtime.Loaded, tensors: Any, model: Any) -> Exported:
    counted = network(model).macs()
    return Exported(loaded, tensors, (counted.all, counted.uncounted))


def _save_dense(model: Any, path: Path) -> None:
    network(model).save_dense(path, {SIGNATURE: serving(model)})


def _save_keras(model: Any, path: Path) -> None:
    network(model).save(path)


@contextlib.contextmanager
def _naming_losses(model: Any) -> Iterator[None]:
    """If a file is not the model, says what Keras did not write."""
    try:
        yield
    except ExportError as error:
        if lost := network(model).lost():
            raise ExportError(lost) from error
        raise
