"""A copy of the user's model in tfmot's wrappers, whose masks hold by themselves.

A step skips what tfmot does and a ticket does not need: counting, asking the schedule,
sorting, masking all weights, averaging them over replicas. The wrappers stay
`PruneLowMagnitude`: `strip_pruning`, `prune_scope` and `PruningSummaries` work. In the
copy of a search they are outside the graph, see `searched`.
"""

import functools
from collections.abc import Callable, Collection
from typing import Any

from tf_lottery.bindings.tf_keras import hold
from tf_lottery.bindings.tf_keras._imports import keras, pruning_wrapper, tf
from tf_lottery.bindings.tf_keras.copying.attributes import WRAPPERS
from tf_lottery.bindings.tf_keras.copying.copier import (
    Copier,
    copied_by_config,
    copy_layer,
    copy_model,
)
from tf_lottery.bindings.tf_keras.layers import (
    finalize,
    inner_layers,
    named_weights,
    weights_to_mask,
    without_wrapper,
)
from tf_lottery.bindings.tf_keras.tfmot.wrapper import wrap_layer

_HALF = ("float16", "bfloat16")


def wrap(
    model: Any,
    seed: int = 0,
    asked: Collection[str] = (),
    masked: Collection[str] = (),
) -> Any:
    """An uncompiled, masked copy of a built model; the masks are all ones.

    The copy has the model's weights. Its random layers (Dropout) draw from generators
    that are variables, seeded by `seed`: their state can be saved and restored, that of
    tf_keras' default generator cannot. `asked` are keys of `layer_rates`, see
    `asked_for`; `masked` are paths of weights that get a mask in any case, frozen or
    not, as a ticket has one for them.
    """
    check_sharing(model)
    with model.distribute_strategy.scope():
        copied = copy_model(model, seed)
        weights = named_weights(copied)
        held = {id(weights[path]) for path in masked if path in weights}
        pruned = weights_to_mask(copied, asked, held)

        def wrapped_layer(layer: Any) -> Any:
            mine = pruned.get(id(layer))
            return wrap_layer(layer, mine) if mine else layer

        copier = Copier(wrapped_layer, shares=True)
        wrapped = copier.of(copied)
        copier.complete()
    compile_model = wrapped.compile

    def compile(*args: Any, **kwargs: Any) -> None:
        compile_model(*args, **kwargs)
        hold_masks(wrapped)

    wrapped.compile = compile  # a second `compile` must not lose the masks
    return wrapped


def unwrap(model: Any, in_float32: bool = False) -> Any:
    """An uncompiled copy without wrappers; on request, without half precision."""

    def copy(layer: Any) -> Any:
        inner = without_wrapper(layer)
        changes = _changed(inner.get_config(), _in_float32) if in_float32 else {}
        return copy_layer(inner, changes)

    copier = Copier(copy, "float32" if in_float32 else None)
    copied = copier.of(model)
    copier.complete(plain=True)
    weights = named_weights(model)
    for path, weight in named_weights(copied).items():
        weight.assign(weights[path].numpy().astype(weight.dtype.as_numpy_dtype))
    finalize(copied)
    return copied


def computes_in_half(layer: Any) -> bool:
    """Whether a layer, or one inside it, computes in float16 or bfloat16."""
    return any(part.compute_dtype in _HALF for part in layer._flatten_layers())


def wrappers(model: Any) -> list[Any]:
    """Every pruning wrapper: in the model, in nested ones, outside a masked graph."""
    outside = getattr(model, WRAPPERS, {})
    return [*pruning_wrapper.collect_prunable_layers(model), *outside.values()]


def check_unwrapped(model: Any) -> None:
    """Raises ValueError if a model of which a copy is wrapped is wrapped itself."""
    if wrappers(model):
        raise ValueError(
            "The model must not be wrapped by tfmot: a copy of it is wrapped. "
            "Received: a model with pruning wrappers, such as `ticket.model()`. Use "
            "`tfmot.sparsity.keras.strip_pruning` first, and compile it."
        )


def mask_variables(model: Any) -> dict[Any, list[Any]]:
    """`weight.ref()` to its mask variables: a layer in several places has several."""
    masks: dict[Any, list[Any]] = {}
    for wrapper in wrappers(model):
        for weight, mask, _ in wrapper.pruning_vars:
            masks.setdefault(weight.ref(), []).append(mask)
    return masks


def redraw(model: Any) -> Any:
    """See `Binding.redraw`.

    Seeds of initialisers are ignored: layers copy their initialisers, and with one seed
    all copies would draw the same tensor.
    """

    def draw_layer(layer: Any) -> Any:
        return copy_layer(layer, _changed(layer.get_config(), _without_seed))

    return Copier(draw_layer).of(model)


def compile_like(model: Any, source: Any, **changes: Any) -> None:
    """Compiles `model` as `source` is now, with copies of what has state.

    Keras' own `compile` does it: what that of a user adds is in copied attributes. If
    `model` has masks, its optimizer then holds them, see `hold_masks`. `changes` are
    arguments of `compile` that differ.
    """
    config = dict(source._compile_config.config)
    config["run_eagerly"] = source._run_eagerly  # may be set after compiling
    config["jit_compile"] = source._jit_compile
    with model.distribute_strategy.scope():
        if "optimizer" not in changes:
            config["optimizer"] = hold.copy(source.optimizer)
        config |= copied_metrics(source)
        config["loss_weights"] = _copied_loss_weights(model, source)
        keras.Model.compile(model, **config | changes)
    if not config["loss"] and source.loss:  # its class sets it after Keras' `compile`
        model.loss = source.loss
    hold_masks(model)


def compiled_copy(model: Any, seed: int = 0) -> Any:
    """A copy of a compiled model, without masks, that shares nothing with it."""
    with model.distribute_strategy.scope():
        copied = copy_model(model, seed)
    compile_like(copied, model)
    return copied


def check_sharing(model: Any) -> None:
    """Raises if a layer is in two layers, whose copies would not share its weights."""
    owners: dict[int, str] = {}
    for path, part in inner_layers(model):
        owner = owners.setdefault(id(part), path)
        if owner != path and part.weights:
            raise ValueError(
                "A layer may be used several times, but not as one of the model and "
                "inside another, or inside two: copies of these would not share it. "
                f"Received: {part.name!r} ({type(part).__name__}), used in {owner!r} "
                f"and in {path!r}."
            )


def copied_metrics(model: Any) -> dict[str, Any]:
    """Copies of the metrics that a model was compiled with, as arguments of `compile`.

    Keras puts the names of outputs before those of metrics when a model is first used;
    a copy must not get them twice.
    """
    built, outputs = model.compiled_metrics.built, model.output_names or ()
    heads = [f"{name}_" for name in outputs] if built and len(outputs) > 1 else []
    weighted = [*heads, "weighted_"] if built else []

    def copied(heads: list[str], metric: Any) -> Any:
        if not isinstance(metric, keras.metrics.Metric):
            return metric
        name = functools.reduce(str.removeprefix, heads, metric.name)
        return copied_by_config("metric", metric, name=name)

    config = model._compile_config.config
    return {
        kind: tf.nest.map_structure(functools.partial(copied, prefixes), config[kind])
        for kind, prefixes in {"metrics": heads, "weighted_metrics": weighted}.items()
    }


def _copied_loss_weights(model: Any, source: Any) -> Any:
    """The loss weights of a model, where variables are those of a copy."""
    given = source._compile_config.config["loss_weights"]
    if not any(isinstance(each, tf.Variable) for each in tf.nest.flatten(given)):
        return given
    paths = {id(weight): path for path, weight in named_weights(source).items()}
    mine = named_weights(model)

    def copied(weight: Any) -> Any:
        if not isinstance(weight, tf.Variable):
            return weight
        if id(weight) not in paths:
            raise ValueError(
                "A variable in `loss_weights` must be an attribute of the model to be "
                f"copied and rewound. Received: {weight.name!r}, which is not. Make it "
                "by `tf.Variable(..., trainable=False)`, set it as in "
                "`model.alpha = alpha`, and let callbacks change `self.model.alpha`."
            )
        return mine[paths[id(weight)]]

    return tf.nest.map_structure(copied, given)


def hold_masks(model: Any) -> None:
    """Makes the optimizer of a compiled model see masked gradients, if it has masks."""
    if masks := {ref: found[0] for ref, found in mask_variables(model).items()}:
        with model.distribute_strategy.scope():
            hold.hold(model.optimizer, masks, model.trainable_variables)


def _changed(config: Any, change: Callable[[str, Any], Any], key: str = "") -> Any:
    """A layer's configuration, each part of which is changed by its key."""
    if isinstance(config, list | tuple):
        parts = [_changed(part, change, key) for part in config]
        return tuple(parts) if isinstance(config, tuple) else parts
    if isinstance(config, dict):
        config = {key: _changed(part, change, key) for key, part in config.items()}
    return change(key, config)


def _without_seed(key: str, config: Any) -> Any:
    """Removes the seed of an initialiser."""
    own = config.get("config") if isinstance(config, dict) else None
    if "initializer" in key and isinstance(own, dict) and "seed" in own:
        return config | {"config": own | {"seed": None}}
    return config


def _in_float32(key: str, config: Any) -> Any:
    """Replaces half precision."""
    if key != "dtype" or config is None:
        return config
    policy = keras.src.mixed_precision.policy.deserialize(config)
    return "float32" if policy.compute_dtype in _HALF else config
