"""Why a copy of a model does not compute what the model computes."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any, NoReturn

from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.layers import named_layers
from tf_lottery.core.words import telling_line

_CONFIG = (
    "Keras copies a layer by its `get_config()`: it may lack what the layer holds, or "
    "the layer was changed after it was made."
)


def check_added_losses(copied: Any, model: Any) -> None:
    """Raises if a function was passed to `add_loss` that no copy would have."""
    mine = named_layers(copied)
    for part in model._flatten_layers():
        if isinstance(part, keras.Model) and _added(part):
            _refuse_added(part)
    for path, layer in named_layers(model).items():
        if path in mine and len(_added(layer)) > len(_added(mine[path])):
            _refuse_added(layer)


def refuse_failing(model: Any, error: Exception) -> NoReturn:
    """Raises for a copy that cannot be computed where the model can."""
    raise ValueError(
        "A copy of the model must compute what the model computes. Received: "
        f"{model.name!r} ({type(model).__name__}), whose copy fails: {in_words(error)}."
        f" {_CONFIG}"
    ) from error


def refuse_differing(model: Any, layer: Any, *, losses_only: bool) -> NoReturn:
    """Raises for a copy with other outputs, first in a layer, or only other losses."""
    place = f", first in {layer.name!r} ({type(layer).__name__})" if layer else ""
    cause = (
        "A loss or a regularizer may have been added after a layer was made: pass it "
        "when the layer is made, or add it in the layer's `call`."
        if losses_only
        else _CONFIG
    )
    raise ValueError(
        "A copy of the model must give the model's outputs and losses. Received: "
        f"{model.name!r} ({type(model).__name__}), whose copy gives other "
        f"{'losses' if losses_only else 'outputs'}{place}. {cause}"
    )


def first_differing(
    copied: Any, model: Any, equal: Callable[[Any, Any], bool], inputs: Any
) -> Any:
    """The first layer of a graph whose outputs differ in a copy; None if unknown."""
    with contextlib.suppress(Exception):  # it only serves an error that is raised
        wanted, found = _outputs(model, inputs), _outputs(copied, inputs)
        for layer, one, other in zip(model.layers, wanted, found, strict=True):
            if not equal(one, other):
                return layer
    return None


def in_words(error: Exception) -> str:
    """An error on one line, with the layer whose call raised it."""
    where, _, what = str(error).partition("\n\n")
    what = what.split("\n\nCall arguments received")[0].strip()
    if not where.startswith("Exception encountered when calling") or not what:
        return telling_line(error)
    if what.startswith("in user code"):
        said = what.splitlines()[-1].strip()
    else:
        said = telling_line(Exception(what)).removeprefix("Exception: ")
    return f"{where.rstrip('.')}: {said.rstrip('.')}"


def _outputs(model: Any, inputs: Any) -> Any:
    nodes = [node for each in model._nodes_by_depth.values() for node in each]
    of_layer = {id(node.layer): node.outputs for node in nodes}
    outputs = [of_layer[id(layer)] for layer in model.layers]
    return keras.Model(model.inputs, outputs)(tf.nest.flatten(inputs), training=False)


def _refuse_added(layer: Any) -> None:
    raise ValueError(
        "A loss that is added must be part of the graph, or be added in the `call` of "
        f"a layer. Received: a function that was passed to `add_loss` of {layer.name!r}"
        f" ({type(layer).__name__}), which a copy would lack. Use a regularizer, or "
        "call `self.add_loss` in the `call` of your own layer."
    )


def _added(layer: Any) -> list[Any]:
    """The functions that were passed to `add_loss`, without regularizers."""
    found = []
    for function in layer._callable_losses:
        while isinstance(function, functools.partial):
            tagged = getattr(function.func, "__name__", "") == "_tag_callable"
            function = function.args[0] if tagged else function.func
        name = getattr(function, "__qualname__", "")
        if "_handle_weight_regularization" not in name:
            found.append(function)
    return found
