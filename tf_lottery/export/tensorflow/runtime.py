"""A model as a TensorFlow function, and files that run as a user's do.

They run by the TFLite interpreter or by TensorFlow.
"""

import functools
import keyword
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery.bindings.tf_shared import running
from tf_lottery.core.errors import ExportError
from tf_lottery.export.bound import network
from tf_lottery.export.running import Arrays, Loaded, in_batches, names_of
from tf_lottery.export.tensorflow._imports import tf

SIGNATURE = "serving_default"
_LOOPS = ("While", "StatelessWhile")


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


def has_loop(serve: Any) -> bool:
    """Whether a function of `serving` has a loop, in a function that it calls too."""
    graph = serve.get_concrete_function().graph.as_graph_def()
    inside = (node for each in graph.library.function for node in each.node_def)
    return any(node.op in _LOOPS for node in (*graph.node, *inside))


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

    The model that it came from has the order of inputs and outputs. Inputs of another
    type than the model's are quantized, and such outputs are converted back.

    Raises:
        RuntimeError, ValueError: The file does not load. The result raises them, too,
            if the file has no room for its inputs.
    """
    loaded = _loaded(content, xnnpack)
    details = loaded.get_input_details()
    runner = loaded.get_signature_runner(SIGNATURE)
    taken, returned = names_of(model)
    takes, returns = runner.get_input_details(), runner.get_output_details()

    def call(inputs: Arrays) -> list[NDArray[Any]]:
        # The runner makes room for inputs of these shapes.
        named = zip(taken, inputs, strict=True)
        outputs = runner(**{name: _quantized(x, takes[name]) for name, x in named})
        loaded.reset_all_variables()  # the state that a fused LSTM keeps
        return [_dequantized(outputs[name], returns[name]) for name in returned]

    def repeat(inputs: Arrays) -> Callable[[], Any]:
        # Without a runner, which takes more time than a small network.
        alone = _loaded(content, xnnpack)
        found = {detail["name"]: detail for detail in alone.get_input_details()}
        places = [found[f"{SIGNATURE}_{name}:0"] for name in taken]
        for place, array in zip(places, inputs, strict=True):
            alone.resize_tensor_input(place["index"], array.shape)
        alone.allocate_tensors()
        for place, array in zip(places, inputs, strict=True):
            alone.set_tensor(place["index"], _quantized(array, place))
        invoke: Callable[[], Any] = alone.invoke
        return invoke

    package = type(loaded).__module__.partition(".")[0]
    backend = f"{package}, {'XNNPACK' if xnnpack else 'no delegate'}, one thread"
    is_open = all(detail["shape_signature"][0] == -1 for detail in details)
    size = None if is_open else int(details[0]["shape"][0])
    return Loaded(in_batches(call, size), repeat, backend, (package,))


def quantized_ports(content: bytes, model: Any) -> dict[str, str]:
    """The quantized inputs and outputs of a TFLite file, as `Card.signature` says."""
    runner = _loaded(content, xnnpack=False).get_signature_runner(SIGNATURE)
    details = runner.get_input_details() | runner.get_output_details()
    found = {}
    for port in (*network(model).inputs, *network(model).outputs):
        scale, zero = _scale_and_zero(details[port.name])
        if scale:
            dtype = np.dtype(details[port.name]["dtype"]).name
            found[port.name] = f"{dtype} {port.shape}, scale {scale}, zero point {zero}"
    return found


def _scale_and_zero(detail: Mapping[str, Any]) -> tuple[np.float32, int]:
    """What the numbers of a tensor mean; a scale of 0 if it is not quantized."""
    scale, zero = detail["quantization"]
    return np.float32(scale), int(zero)


def _quantized(array: NDArray[Any], detail: Mapping[str, Any]) -> NDArray[Any]:
    scale, zero = _scale_and_zero(detail)
    if not scale:
        return array
    limits = np.iinfo(detail["dtype"])
    levels = np.round(array / scale) + zero
    return np.clip(levels, limits.min, limits.max).astype(detail["dtype"])


def _dequantized(array: NDArray[Any], detail: Mapping[str, Any]) -> NDArray[Any]:
    scale, zero = _scale_and_zero(detail)
    return (array.astype(np.float32) - zero) * scale if scale else array


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
