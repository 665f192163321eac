"""ONNX files, which Keras writes on each backend by another converter."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tf_lottery.bindings.keras3._imports import BACKEND, backend, keras
from tf_lottery.bindings.keras3.exporting.ports import Ports
from tf_lottery.core.errors import ExportError
from tf_lottery.core.words import quiet, telling_line


def onnx_writer() -> tuple[tuple[str, ...], Callable[[Any, Path], None]]:
    """See `Binding.onnx_writer`."""
    return backend.ONNX, _write


def _write(model: Any, path: Path) -> None:
    # With a signature Keras does not ask whether the model was called before.
    of_tensor = keras.src.export.export_utils.make_input_spec
    signature = [keras.tree.map_structure(of_tensor, Ports(model).struct)]
    try:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tracing
            model.export(
                str(path),
                format="onnx",
                verbose=False,
                input_signature=signature,
            )
    except Exception as error:  # converters raise whatever they like
        raise ExportError(
            "Keras must be able to write an ONNX file of this model on the "
            f"{BACKEND} backend, and cannot: {telling_line(error)}. Another backend "
            "has another converter: load the ticket there, or choose another format."
        ) from error
