"""A model as a TensorFlow function, and files that run as a user's do.

They run by the TFLite interpreter or by TensorFlow.
"""

import functools
import keyword
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tf_lottery.bindings.tf_shared import running
from tf_lottery.core.errors import ExportError
from tf_lottery.export.bound import network
from tf_lottery.export.running import Arrays, Loaded, in_batches, names_of
from tf_lottery.export.tensorflow._imports import tf

SIGNATURE = "serving_default"


def serving(model: Any, batch_size: int | None = None) -> Any:
    """A `tf.function` of the inputs by name; it returns the outputs by name.

    `batch_size` is the number of examples per call; None leaves it open.

    Raises:
        ExportError: A signature cannot have inputs of these names.
    """
    taken, returned = names_of(model)
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
    taken, returned = names_of(model)

    def call(*inputs: Any) -> Any:
        assert loaded is not None  # a signature does not keep its variables alive
        outputs = signature(**dict(zip(taken, inputs, strict=True)))
        return [outputs[name] for name in returned]

    compute = functools.partial(running.compute, call)
    repeat = functools.partial(running.repeat, call)
    return Loaded(in_batches(compute), repeat, running.BACKEND, ("tensorflow",))


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
    taken, returned = names_of(model)

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
    return Loaded(in_batches(call, size), repeat, backend, (package,))


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
