"""Writes the file of an order: `python -m tf_lottery.export.child DIRECTORY PATH`."""

import importlib
import importlib.util
import sys
from pathlib import Path

from tf_lottery import bindings
from tf_lottery.core.errors import ExportError
from tf_lottery.core.words import telling_line
from tf_lottery.export import by_tensorflow
from tf_lottery.export.agreement import difference
from tf_lottery.export.child import handover
from tf_lottery.export.child.parent import ERROR, ORDER
from tf_lottery.export.job import EXACT, Job
from tf_lottery.export.running import keras_model


def main(directory: Path, path: Path) -> None:
    """Carries out the order in a directory."""
    bindings.load("keras3")  # before modules that may import other frameworks
    order = _made(directory / ORDER, path)
    by_tensorflow.write(*order)


def _made(file: Path, path: Path) -> handover.Order:
    """The order; its model computes here what it computes in the parent."""
    try:
        for name, source in handover.modules(file).items():
            _import(name, source)
        order = handover.read(file, path)
        found = keras_model(order.job.source.model).predict(order.job.sample.inputs)
    except Exception as error:  # layers raise whatever they like
        cause = error.__cause__ or error
        raise ExportError(
            "TensorFlow must be able to make and run a model that it writes, and "
            f"cannot: {telling_line(cause)}. Layers and functions of your own must "
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


def _import(name: str, file: str | None) -> None:
    """Imports a module by its name, or else from its file, as a recipe is."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        spec = file and importlib.util.spec_from_file_location(name, file)
        if not spec or spec.loader is None:
            raise
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])


if __name__ == "__main__":
    place, target = map(Path, sys.argv[1:])
    try:
        main(place, target)
    except Exception as error:
        own = isinstance(error, ExportError)
        said = str(error) if own else f"TensorFlow failed with {telling_line(error)}."
        (place / ERROR).write_text(said)
        raise
