"""Why a copy of a model does not compute what the model computes."""

import contextlib
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
    """Raises if a function was passed to `add_loss` that no copy would have.

    Regularizers are such functions, too. A copy has those that its layers make.
    """
    models = (p for p in model._flatten_layers() if isinstance(p, keras.Model))
    losses: list[tuple[Any, list[Any]]] = [(part, []) for part in models]
    mine = named_layers(copied)
    for path, layer in named_layers(model).items():
        if path in mine:
            losses.append((layer, mine[path]._callable_losses))
    for layer, copies in losses:
        if len(layer._callable_losses) > len(copies):
            raise ValueError(
                "A loss that is added must be part of the graph, or be added in the "
                "`call` of a layer. Received: a function that was passed to `add_loss` "
                f"of {layer.name!r} ({type(layer).__name__}), or a regularizer of it, "
                "which a copy would lack. Pass a regularizer when the layer is made, "
                "or call `self.add_loss` in the `call` of your own layer."
            )


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
