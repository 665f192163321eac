"""A model as a function of named inputs, and exported files that run as a user's do.

They run by the TFLite interpreter or by TensorFlow.
"""

import keyword
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery.core.errors import ExportError
from tf_lottery.export._frameworks import network, tf

Arrays = Sequence[NDArray[Any]]
Predict = Callable[[Arrays], list[NDArray[Any]]]

SIGNATURE = "serving_default"
_BATCH = 100  # examples


@dataclass(frozen=True)
class Loaded:
    """A file that is ready to run.

    Attributes:
        predict: Computes its outputs in the model's order, for any number of examples.
        repeat: Takes one example, returns a function that computes it, to be timed.
        backend: What runs it, in words.
    """

    predict: Predict
    repeat: Callable[[Arrays], Callable[[], Any]]
    backend: str


def serving(model: Any, batch_size: int | None = None) -> Any:
    """A `tf.function` of the inputs by name; it returns the outputs by name.

    `batch_size` is the number of examples per call; None leaves it open.

    Raises:
        ExportError: A signature cannot have inputs of these names.
    """
    taken, returned = _names(model)
    _check_names(taken)
    specs = [
        tf.TensorSpec((batch_size, *port.shape[1:]), port.dtype, name=port.name)
        for port in network(model).inputs
    ]
    call = network(model).call

    def serve(*inputs: Any) -> dict[str, Any]:
        return dict(zip(returned, call(*inputs), strict=True))

    return tf.function(serve, input_signature=specs)


def saved_model(path: Path, model: Any) -> Loaded:
    """A SavedModel, run by plain TensorFlow.

    The model that it came from has the names and the order of inputs and outputs.
    """
    loaded = tf.saved_model.load(str(path))
    signature = loaded.signatures[SIGNATURE]
    taken, returned = _names(model)

    def call(*inputs: Any) -> Any:
        assert loaded is not None  # a signature does not keep its variables alive
        outputs = signature(**dict(zip(taken, inputs, strict=True)))
        return [outputs[name] for name in returned]

    return _of_tensorflow(call)


def keras_model(model: Any) -> Loaded:
    """A live Keras model."""
    return _of_tensorflow(tf.function(network(model).call, autograph=False))


def tflite(content: bytes, model: Any, *, xnnpack: bool = True) -> Loaded:
    """A TFLite file, run by the interpreter with one thread.

    The model that it came from has the order of inputs and outputs.

    Raises:
        RuntimeError, ValueError: The file does not load. The result raises them, too,
            if the file has no room for its inputs.
    """
    loaded = _loaded(content, xnnpack)
    details = loaded.get_input_details()
    runner = loaded.get_signature_runner(SIGNATURE)
    taken, returned = _names(model)

    def call(inputs: Arrays) -> list[NDArray[Any]]:
        # The runner makes room for inputs of these shapes.
        outputs = runner(**dict(zip(taken, inputs, strict=True)))
        loaded.reset_all_variables()  # the state that a fused LSTM keeps
        return [outputs[name] for name in returned]

    def repeat(inputs: Arrays) -> Callable[[], Any]:
        # Without a runner, which takes more time than a small network.
        alone = _loaded(content, xnnpack)
        found = {d["name"]: d["index"] for d in alone.get_input_details()}
        indices = [found[f"{SIGNATURE}_{name}:0"] for name in taken]
        for index, array in zip(indices, inputs, strict=True):
            alone.resize_tensor_input(index, array.shape)
        alone.allocate_tensors()
        for index, array in zip(indices, inputs, strict=True):
            alone.set_tensor(index, array)
        invoke: Callable[[], Any] = alone.invoke
        return invoke

    package = type(loaded).__module__.partition(".")[0]
    backend = f"{package}, {'XNNPACK' if xnnpack else 'no delegate'}, one thread"
    is_open = all(detail["shape_signature"][0] == -1 for detail in details)
    size = None if is_open else int(details[0]["shape"][0])
    return Loaded(_in_batches(call, size), repeat, backend)


def _in_batches(predict: Predict, size: int | None = None) -> Predict:
    """A prediction of any number of examples, from one of `size` examples, or any."""

    def predict_all(inputs: Arrays) -> list[NDArray[Any]]:
        count = len(inputs[0])
        step = size or min(count, _BATCH)
        parts = []
        for start in range(0, count, step):
            rows = np.arange(start, start + step) % count  # the last batch is filled up
            parts.append(predict([array[rows] for array in inputs]))
        return [np.concatenate(p)[:count] for p in zip(*parts, strict=True)]

    return predict_all


def _names(model: Any) -> tuple[list[str], list[str]]:
    """The names of the inputs, and of the outputs."""
    seen = network(model)
    return [port.name for port in seen.inputs], [port.name for port in seen.outputs]


def _check_names(names: Sequence[str]) -> None:
    # As TensorFlow writes them; of `1x` it makes `arg_1x`.
    written = [re.sub(r"\W", "_", name) for name in names]
    for name, as_written in zip(names, written, strict=True):
        reserved = keyword.iskeyword(name) or name == "self"
        if reserved or " " in name or written.count(as_written) > 1:
            raise ExportError(
                "Inputs of an exported model must have names that a function's "
                "arguments can have, and that differ in letters and digits. Received: "
                f"{name!r} of {', '.join(map(repr, names))}. Build the model with "
                '`keras.Input(..., name="features")`.'
            )


def _of_tensorflow(call: Callable[..., Any]) -> Loaded:
    def predict(inputs: Arrays) -> list[NDArray[Any]]:
        return [output.numpy() for output in call(*map(tf.constant, inputs))]

    def repeat(inputs: Arrays) -> Callable[[], Any]:
        tensors = [tf.constant(array) for array in inputs]
        return lambda: call(*tensors)

    return Loaded(_in_batches(predict), repeat, "TensorFlow, all threads")


def _loaded(content: bytes, xnnpack: bool) -> Any:
    """An interpreter that has not allocated tensors: the inputs decide their sizes.

    For an open size a file says 1, which may be too small for its layers.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError:
        Interpreter = tf.lite.Interpreter
        OpResolverType = tf.lite.experimental.OpResolverType
    resolver = "AUTO" if xnnpack else "BUILTIN_WITHOUT_DEFAULT_DELEGATES"
    return Interpreter(
        model_content=content,
        num_threads=1,
        experimental_op_resolver_type=getattr(OpResolverType, resolver),
    )
