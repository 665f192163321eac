"""How SavedModels are written, packed or dense, and read back."""

from pathlib import Path
from typing import Any

from tf_lottery.export.bound import network
from tf_lottery.export.card import Card
from tf_lottery.export.finish import Exported, finish_with_zeros
from tf_lottery.export.job import Job
from tf_lottery.export.running import Loaded
from tf_lottery.export.stored import matrices
from tf_lottery.export.tensorflow import runtime
from tf_lottery.export.tensorflow.packed import read_packed, save_packed
from tf_lottery.export.tensorflow.runtime import SIGNATURE, serving


def write(job: Job, layout: str) -> Card:
    """Writes the SavedModel of an export, see `to_saved_model.saved_model`."""
    model = job.compaction.model

    def load(written: Path) -> Loaded:
        return runtime.saved_model(written, model)

    def read(written: Path) -> Exported:
        if layout == "packed":
            return Exported(load(written), read_packed(written, model))
        variables = network(model).read_dense(written)
        arrays = {name: variable.numpy() for name, variable in variables.items()}
        return Exported(load(written), matrices(arrays))

    return finish_with_zeros(
        job,
        {"format": "SavedModel", "layout": layout},
        save=save_packed if layout == "packed" else _save_dense,
        save_zeros=_save_dense,
        load=load,
        read=read,
    )


def _save_dense(model: Any, path: Path) -> None:
    network(model).save_dense(path, {SIGNATURE: serving(model)})
