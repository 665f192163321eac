"""What an ONNX file holds, and how it runs."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tf_lottery.core.errors import ExportError
from tf_lottery.core.words import telling_line
from tf_lottery.export.running import Arrays, Loaded, in_batches
from tf_lottery.export.stored import StoredTensor, matrices

_NOTHING = 4  # of what onnxruntime logs


@dataclass(frozen=True)
class Content:
    """The weights of a file, and how often each operator occurs in it."""

    tensors: Sequence[StoredTensor]
    operators: dict[str, int]


def content(path: Path) -> Content:
    """What a file holds."""
    import onnx

    graph = onnx.load(str(path)).graph
    as_array = onnx.numpy_helper.to_array
    arrays = {each.name: as_array(each) for each in graph.initializer}
    return Content(matrices(arrays), dict(Counter(node.op_type for node in graph.node)))


def load(path: Path) -> Loaded:
    """A file, run by onnxruntime on the CPU.

    Raises:
        ExportError: It does not load. The result raises it, too, if it does not run.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _NOTHING
    session = _tried(
        lambda: onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    )
    names = [each.name for each in session.get_inputs()]

    def fed(inputs: Arrays) -> dict[str, NDArray[Any]]:
        return dict(zip(names, inputs, strict=True))

    def predict(inputs: Arrays) -> list[NDArray[Any]]:
        found: list[NDArray[Any]] = _tried(lambda: session.run(None, fed(inputs)))
        return found

    def repeat(inputs: Arrays) -> Callable[[], Any]:
        given = fed(inputs)
        return lambda: session.run(None, given)

    where = "onnxruntime, CPU, all threads"
    return Loaded(in_batches(predict), repeat, where, ("onnx", "onnxruntime"))


def _tried(run: Callable[[], Any]) -> Any:
    try:
        return run()
    except Exception as error:  # onnxruntime has a class for each of its codes
        raise ExportError(
            "An ONNX file must run by onnxruntime, and this one does not: "
            f"{telling_line(error)}. The converter of another backend may write one "
            "that runs: load the ticket there."
        ) from error
