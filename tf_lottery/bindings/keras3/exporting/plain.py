"""Plain copies of models: uncompiled, without masks, of Keras' own class if it can."""

from typing import Any

from tf_lottery.bindings.keras3 import hold
from tf_lottery.bindings.keras3._imports import keras
from tf_lottery.bindings.keras3.arrays import array_of
from tf_lottery.bindings.keras3.copying.copier import Copier
from tf_lottery.bindings.keras3.exporting.graph import graph_of, with_parts
from tf_lottery.bindings.keras3.layers import finalize, named_weights
from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import State

HALF = ("float16", "bfloat16")
# What searches, and masked copies, set on a model.
_SET = ("compile", "fit", "train_on_batch", hold.MASKS)


def plain(model: Any, weights: State | None = None, *, in_float32: bool = False) -> Any:
    """See `Binding.plain`."""
    copied = _copied(model, in_float32)
    for variable in copied.variables:
        vars(variable).pop("assign", None)  # by a mask
    if weights is not None:
        for path, weight in named_weights(copied).items():
            weight.assign(weights[path])
    finalize(copied)
    return copied


def masks_of(model: Any) -> Masks:
    """See `Binding.masks_of`."""
    if found := hold.masks_of(model):
        return Masks({path: array_of(mask) for path, mask in found.items()})
    return Masks(
        {
            path: array_of(weight) != 0
            for path, weight in named_weights(model).items()
            if len(weight.shape) > 1 and keras.backend.is_float_dtype(weight.dtype)
        }
    )


def computes_in_half(layer: Any) -> bool:
    """Whether a layer, or one inside it, computes in float16 or bfloat16."""
    return any(part.compute_dtype in HALF for part in layer._flatten_layers())


def _copied(model: Any, in_float32: bool) -> Any:
    graph = graph_of(model)
    if graph is None:
        return _subclassed(model, in_float32)
    # Of the graph alone: not of what the model is compiled with, or has besides.
    alone = keras.Model(graph._inputs_struct, graph._outputs_struct)
    copier = Copier()
    copier.copied(alone)

    def part(operation: Any) -> Any:
        found = copier.found(operation)
        if in_float32 and isinstance(found, keras.layers.Layer):
            _to_float32(found)
        return found

    made = with_parts(model, part)
    if in_float32:
        _to_float32(made)
    return made


def _subclassed(model: Any, in_float32: bool) -> Any:
    """The copy of a model that computes by code of its own, and stays of its class."""
    optimizer = getattr(model, "optimizer", None)
    copied = Copier((optimizer, None)).copied(model)
    for name in _SET:
        vars(copied).pop(name, None)
    keras.src.trainers.trainer.Trainer.__init__(copied)
    copied.optimizer = None
    if in_float32:
        _to_float32(copied)
    return copied


def _to_float32(layer: Any) -> None:
    """Replaces half precision in a layer, and in those inside it."""
    for part in layer._flatten_layers():
        if part.compute_dtype not in HALF:
            continue
        part.dtype_policy = "float32"
        for variable in (*part._trainable_variables, *part._non_trainable_variables):
            if variable.dtype in HALF:
                values = array_of(variable).astype("float32")
                variable._dtype = "float32"
                variable._initialize(keras.ops.convert_to_tensor(values))
