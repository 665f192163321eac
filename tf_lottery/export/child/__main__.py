"""Writes the file of an order: `python -m tf_lottery.export.child DIRECTORY PATH`."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from tf_lottery import bindings
from tf_lottery.bindings.shared.foreign import in_short
from tf_lottery.core.errors import ExportError, TicketError
from tf_lottery.core.words import telling_line
from tf_lottery.export import by_tensorflow
from tf_lottery.export.agreement import difference
from tf_lottery.export.child import handover
from tf_lottery.export.child.parent import ERROR, ORDER, STEP
from tf_lottery.export.job import EXACT, Job
from tf_lottery.export.running import keras_model


def main(directory: Path, path: Path) -> None:
    """Carries out the order in a directory."""
    bindings.load("keras3")  # before modules that may import other frameworks
    order = _made(directory / ORDER, path)
    order.job.progress.tell = (directory / STEP).write_text
    by_tensorflow.write(*order)


def _made(file: Path, path: Path) -> handover.Order:
    """The order; its model computes here what it computes in the parent."""
    try:
        parts = handover.own_parts(file)
        objects = {p.key: getattr(_imported(p.module, p.file), p.name) for p in parts}
        order = handover.read(file, path, objects)
        found = keras_model(order.job.source.model).predict(order.job.sample.inputs)
    except Exception as error:  # layers raise whatever they like
        cause = (isinstance(error, TicketError) and error.__cause__) or error
        raise ExportError(
            "TensorFlow must be able to make and run a model that it writes, and "
            f"cannot: {in_short(cause)} Layers and functions of your own must "
            "compute by `keras.ops` alone, and be at the top of a module. A .keras "
            "file needs no TensorFlow."
        ) from error
    _check(order.job, difference(found, order.job.wanted))
    return order


def _check(job: Job, found: float) -> None:
    if not found <= EXACT:
        raise ExportError(
            "The model must compute on TensorFlow what it computes on "
            f"{job.computed_by}. On {job.sample} the outputs differ by {found:.2g}, "
            f"and {EXACT} is allowed. Nothing was written. A layer that computes by "
            "other means than `keras.ops` may differ, and so may a GPU that rounds "
            "products."
        )


def _imported(name: str, file: str | None) -> ModuleType:
    """A module, imported by its name, or else from its file, as a recipe is."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        spec = file and importlib.util.spec_from_file_location(name, file)
        if not spec or spec.loader is None:
            raise
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


if __name__ == "__main__":
    place, target = map(Path, sys.argv[1:])
    try:
        main(place, target)
    except Exception as error:
        own = isinstance(error, ExportError)
        said = str(error) if own else f"TensorFlow failed with {telling_line(error)}."
        (place / ERROR).write_text(said)
        raise
