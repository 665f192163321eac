"""Exports for ONNX: files that Keras 3 writes on the backend of the process."""

import importlib.util
from pathlib import Path
from typing import Any

from tf_lottery.core.archive import PathLike
from tf_lottery.core.errors import ExportError
from tf_lottery.export import onnx_files
from tf_lottery.export.bound import binding_of
from tf_lottery.export.card import Card
from tf_lottery.export.finish import Exported, finish_with_zeros
from tf_lottery.export.job import Job
from tf_lottery.export.options import Options

_RUNNER = "onnxruntime"


def onnx(source: Any, path: PathLike, **options: Any) -> Card:
    """Writes an ONNX file of a Keras 3 model, and runs it by onnxruntime.

    The file computes in float32, and stores zeros.

    Args:
        source, **options: See `saved_model`.
        path: The file, by convention `*.onnx`.

    Raises:
        ExportError: The model is of tf_keras, packages are missing, or the file would
            not be the ticket. Nothing is written then.

    Example:
        ```python
        ticket.export("ticket.onnx")
        session = onnxruntime.InferenceSession("ticket.onnx")
        ```
    """
    packages, write = binding_of(source).onnx_writer()
    _check_installed((*packages, _RUNNER))
    job = Job.of(source, path, Options.of("onnx", options), in_float32=True)

    def read(written: Path) -> Exported:
        found = onnx_files.content(written)
        loaded = onnx_files.load(written)
        return Exported(loaded, found.tensors, operators=found.operators)

    return finish_with_zeros(
        job,
        {"format": "ONNX"},
        save=write,
        load=onnx_files.load,
        read=read,
        suffix=".onnx",
    )


def _check_installed(needed: tuple[str, ...]) -> None:
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise ExportError(
            f"An ONNX file needs {', '.join(needed)} on this backend. Install what is "
            f"missing: `pip install {' '.join(missing)}`."
        )
