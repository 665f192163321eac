"""Which weights of a model can be pruned, and what they are called.

A weight's path is that of its layer in the model without wrappers, of the part of the
layer that holds it, and the weight's own name: `block1/conv/kernel`,
`encoder/lstm_cell/kernel`. Names survive copies, see `naming`. A layer that is used
several times, in nested models too, counts once, under the first path.
"""

import fnmatch
from collections.abc import Collection, Iterator
from typing import Any

from tf_lottery.bindings.shared.layers import (
    DEPTHWISE,
    KERNELS,
    asked_for,
    layers_by_path,
)
from tf_lottery.bindings.shared.naming import (
    Names,
    last_name,
    layer_names,
    parts,
    weight_name,
)
from tf_lottery.bindings.tf_keras._imports import (
    keras,
    prune_registry,
    pruning_wrapper,
    tf,
)
from tf_lottery.core.naming import unique

Wrapper = pruning_wrapper.PruneLowMagnitude


def named_layers(model: Any, names: Names = layer_names) -> dict[str, Any]:
    """Layers by path, without their pruning wrappers, nested models walked."""
    return layers_by_path(model, names, keras.Model, without_wrapper)


def inner_layers(model: Any) -> Iterator[tuple[str, Any]]:
    """Each layer and the layers inside it, with the path of the outer one."""
    for path, layer in named_layers(model).items():
        for part in layer._flatten_layers():
            yield path, part


def graph_layers(model: Any) -> list[Any]:
    """The layers that the graph of a model calls: not a teacher in an attribute."""
    nodes = [node for each in model._nodes_by_depth.values() for node in each]
    return list({id(node.layer): node.layer for node in nodes}.values())


def named_weights(model: Any, names: Names = layer_names) -> dict[str, Any]:
    """The variables of layers by path, without masks and the optimizer's.

    `names` gives the names of neighbouring layers; `own_names` of copies differ.
    """
    weights: dict[str, Any] = {}
    seen: set[int] = set()
    for path, layer in named_layers(model, names).items():
        for name, weight in own_weights(layer, names).items():
            if id(weight) not in seen:
                seen.add(id(weight))
                weights[unique(f"{path}/{name}", weights)] = weight
    seen |= _counters(model)
    for wrapper in pruning_wrapper.collect_prunable_layers(model):
        seen.update(map(id, wrapper.weights))  # masks
    # Of the model itself, or of a list of layers.
    for weight in _existing(model) if model.built else ():
        if isinstance(weight, tf.Variable) and id(weight) not in seen:
            weights[unique(last_name(weight), weights)] = weight
    return weights


def weights_of(model: Any) -> dict[str, Any]:
    """See `Binding.weights_of`."""
    return {path: weight.numpy() for path, weight in named_weights(model).items()}


def trainable(model: Any) -> set[str]:
    """See `Binding.trainable`."""
    known = {id(weight) for weight in model.trainable_weights}
    return {path for path, each in named_weights(model).items() if id(each) in known}


def has_unbuilt(model: Any) -> bool:
    """Whether a model holds a Sequential without an input shape that was not called."""
    parts = model._flatten_layers(include_self=False)
    return any(isinstance(p, keras.Sequential) and not p.built for p in parts)


def own_weights(layer: Any, names: Names = layer_names) -> dict[str, Any]:
    """A layer's variables by the names of its parts, such as `lstm_cell/kernel`.

    The names of variables themselves depend on where in a program a part was built.
    """
    # Not the handler that lookup layers list among their weights.
    own = {id(weight) for weight in _existing(layer) if isinstance(weight, tf.Variable)}
    own -= _counters(layer)
    found: dict[int, tuple[str, Any, Any]] = {}
    for prefix, part in parts(layer, names=names):
        for weight in (*part._trainable_weights, *part._non_trainable_weights):
            # Wrappers list weights of their layer as theirs, once these are built.
            known = found.get(id(weight), ("",))[0]
            if id(weight) in own and prefix.count("/") >= known.count("/"):
                found[id(weight)] = prefix, part, weight
    weights: dict[str, Any] = {}
    for prefix, part, weight in found.values():
        weights[unique(f"{prefix}{weight_name(weight, part)}", weights)] = weight
    for weight in _existing(layer):  # in a `tf.Module` of the layer
        if id(weight) in own and id(weight) not in found:
            weights[unique(last_name(weight), weights)] = weight
    return weights


def prunable_weights(layer: Any, asked: Collection[int] = ()) -> list[Any]:
    """The trainable weights of a layer that can be pruned, and those of these ids.

    They are what tfmot prunes in the layers that it knows, and kernels by name in all
    others (Bidirectional, EinsumDense, subclasses of Dense, ...). A layer of your own
    takes part by such a weight, or by a method `get_prunable_weights`. tfmot gives that
    method to the layers that it knows: pass a copy.
    """
    weights = known_weights(layer)
    if weights is None:
        matrices = (w for w in layer.trainable_weights if len(w.shape) > 1)
        weights = [weight for weight in matrices if last_name(weight) in KERNELS]
    weights = [*weights, *(w for w in layer.weights if id(w) in asked)]
    trainable = {id(weight) for weight in layer.trainable_weights}
    return [weight for weight in weights if id(weight) in trainable]


def weights_to_mask(
    model: Any, keys: Collection[str], held: Collection[int] = ()
) -> dict[int, list[Any]]:
    """The weights that get masks, by the id of their layer.

    `keys` are those of `layer_rates`; weights with an id in `held` get one in any case.
    """
    asked = {
        id(weight)
        for path, weight in named_weights(model).items()
        if last_name(weight) == DEPTHWISE
        and any(fnmatch.fnmatchcase(path, key) for key in asked_for(keys))
    }
    # A layer in a frozen model is trainable only by its own flag.
    called = graph_layers(model) if hasattr(model, "_nodes_by_depth") else [model]
    trainable = {id(w) for layer in called for w in layer.trainable_weights}
    found = {}
    for layer in named_layers(model).values():
        ids = trainable.intersection(map(id, prunable_weights(layer, asked)))
        if weights := [w for w in layer.weights if id(w) in ids or id(w) in held]:
            found[id(layer)] = weights
    return found


def known_weights(layer: Any) -> list[Any] | None:
    """The weights of a layer that tfmot prunes; None if it refuses the layer."""
    if not hasattr(layer, "get_prunable_weights"):
        if not prune_registry.PruneRegistry.supports(layer):
            return None
        prune_registry.PruneRegistry.make_prunable(layer)
    return list(layer.get_prunable_weights())


def skipped_layers(model: Any) -> list[str]:
    """Layers with a trainable matrix and no weight to prune, "path (class)".

    Depthwise convolutions, which are left dense by choice, are not among them.
    """
    return [
        f"{path} ({type(layer).__name__})"
        for path, layer in named_layers(model).items()
        if not prunable_weights(layer)
        and any(
            len(weight.shape) > 1 and last_name(weight) != DEPTHWISE
            for weight in layer.trainable_weights
        )
    ]


def _existing(layer: Any) -> list[Any]:
    """All weights so far: Keras refuses to list them if some are not made yet."""
    if not has_unbuilt(layer):
        return list(layer.weights)
    return [
        weight
        for part in layer._flatten_layers()
        for weight in (*part._trainable_weights, *part._non_trainable_weights)
    ]


def _counters(layer: Any) -> set[int]:
    """What preprocessing layers counted while they were adapted.

    Copies do not have it: what was found by it is in their configuration.
    """
    inside = list(layer._flatten_layers())
    counters = [part.num_documents for part in inside if hasattr(part, "num_documents")]
    kind = keras.layers.Discretization
    bins = [part for part in inside if isinstance(part, kind)]
    counters += [part.summary for part in bins if hasattr(part, "summary")]
    return set(map(id, counters))


def without_wrapper(layer: Any) -> Any:
    """The layer inside a pruning wrapper; any other as it is."""
    return layer.layer if isinstance(layer, Wrapper) else layer


def finalize(model: Any) -> None:
    """Lets layers take up the weights that were assigned to them.

    `Normalization` computes with a copy of its adapted mean and variance.
    """
    for _, part in inner_layers(model):
        if hasattr(part, "finalize_state"):
            part.finalize_state()
