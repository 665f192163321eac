"""Exports for Keras: `.keras` files, which need nothing of this package."""

from pathlib import Path
from typing import Any

from tf_lottery import bindings
from tf_lottery.core.archive import PathLike
from tf_lottery.core.errors import ExportError
from tf_lottery.export.bound import network
from tf_lottery.export.card import Card
from tf_lottery.export.finish import Exported, finish_with_zeros
from tf_lottery.export.job import Job
from tf_lottery.export.options import Options
from tf_lottery.export.running import keras_model
from tf_lottery.export.stored import matrices


def keras_file(source: Any, path: PathLike, **options: Any) -> Card:
    """Writes a `.keras` file of the plain model; it stores zeros.

    Args:
        source, **options: See `saved_model`.
        path: The file; it must end in `.keras`.
    """
    if Path(path).suffix != ".keras":
        raise ValueError(f"`path` must end in .keras. Received: {str(path)!r}.")
    job = Job.of(source, path, Options.of("keras", options))
    seen = network(job.compaction.model)

    def load(written: Path) -> Any:
        return seen.load(written, job.options.custom_objects, job.options.safe_mode)

    def read(written: Path) -> Exported:
        loaded = load(written)
        tensors = matrices(bindings.of(loaded).weights_of(loaded))
        return Exported(keras_model(loaded), tensors, notes=seen.loading())

    try:
        return finish_with_zeros(
            job,
            {"format": "Keras file"},
            save=lambda model, to: network(model).save(to),
            load=lambda written: keras_model(load(written)),
            read=read,
            suffix=".keras",
        )
    except ExportError as error:
        if lost := seen.lost():
            raise ExportError(lost) from error
        raise
