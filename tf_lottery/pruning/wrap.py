"""A copy of the user's model in tfmot's wrappers, whose masks hold by themselves.

What tfmot does in a step that a lottery ticket does not need (counting, asking
the schedule, sorting, masking all weights anew, averaging them over replicas)
is taken out; the wrappers stay `PruneLowMagnitude`, so that `strip_pruning`,
`prune_scope` and `PruningSummaries` work.
"""

import contextlib
import random
from collections.abc import Callable, Collection, Iterator
from typing import Any

from tf_lottery._keras import keras, pruning_wrapper, tf
from tf_lottery.pruning import optimizer as optimizers
from tf_lottery.pruning.layers import (
    depthwise,
    finalize,
    named_layers,
    named_weights,
    prunable_weights,
    without_wrapper,
)
from tf_lottery.pruning.wrapper import wrap_layer

_HALF = ("float16", "bfloat16")


def wrap(
    model: Any, seed: int = 0, strategy: Any = None, asked: Collection[str] = ()
) -> Any:
    """An uncompiled, masked copy of a built model; the masks are all ones.

    The copy has the model's weights. Its random layers (Dropout) draw from
    generators that are variables, seeded by `seed`, so that their state can be
    saved: tf_keras' default generator cannot be resumed. The copy is made in the
    scope of `strategy`, by default the model's. `asked` are keys of `layer_rates` or
    paths of masks, see `asked_for`.

    Raises:
        ValueError: A layer that cannot be copied, or is inside two others.
    """
    _check_sharing(model)
    with (strategy or model.distribute_strategy).scope():
        copied = copy_model(model, seed)
        trainable = {id(weight) for weight in copied.trainable_weights}
        ids = depthwise(copied, asked)

        def wrapped_layer(layer: Any) -> Any:
            weights = prunable_weights(layer, ids)
            # A layer in a frozen model is trainable only by its own flag.
            pruned = [weight for weight in weights if id(weight) in trainable]
            return wrap_layer(layer, pruned) if pruned else layer

        wrapped = _clone(copied, wrapped_layer)
    # Losses and metrics may be given by the names of the outputs.
    wrapped.output_names = list(model.output_names)
    _hold_when_compiled(wrapped)
    return wrapped


def unwrap(model: Any, in_float32: bool = False) -> Any:
    """An uncompiled copy of a wrapped or plain model, without wrappers.

    Args:
        model: The model.
        in_float32: Whether layers that compute in half precision compute in float32.
    """

    def copy(layer: Any) -> Any:
        inner = without_wrapper(layer)
        changes = _in_float32(inner.get_config()) if in_float32 else {}
        return _copied("layer", inner, **changes)

    copied = _clone(model, copy, "float32" if in_float32 else None)
    weights = named_weights(model)
    for path, weight in named_weights(copied).items():
        weight.assign(weights[path].numpy().astype(weight.dtype.as_numpy_dtype))
    finalize(copied)
    copied.output_names = list(model.output_names)
    return copied


def computes_in_half(layer: Any) -> bool:
    """Whether a layer, or one inside it, computes in float16 or bfloat16."""
    return any(part.compute_dtype in _HALF for part in layer._flatten_layers())


def wrappers(model: Any) -> list[Any]:
    """Every pruning wrapper, those in nested models included."""
    found: list[Any] = pruning_wrapper.collect_prunable_layers(model)
    return found


def mask_variables(model: Any) -> dict[Any, list[Any]]:
    """`weight.ref()` to its mask variables: a layer in several places has several."""
    masks: dict[Any, list[Any]] = {}
    for wrapper in wrappers(model):
        for weight, mask, _ in wrapper.pruning_vars:
            masks.setdefault(weight.ref(), []).append(mask)
    return masks


def copy_model(model: Any, seed: int = 0) -> Any:
    """A copy of a built model with its weights; shared layers stay shared."""
    with _variable_generators(seed):
        copied = _clone(model, _copy_layer)
    for mine, theirs in zip(copied.weights, model.weights, strict=True):
        mine.assign(theirs.numpy())
    finalize(copied)
    return copied


def redraw(model: Any) -> Any:
    """A copy of a built model whose weights are drawn anew by its initialisers.

    Under the global seeds, also where an initialiser has a seed of its own: layers
    copy their initialisers, and with one seed the copies would draw one tensor.
    """

    def draw_layer(layer: Any) -> Any:
        return _copied("layer", layer, **_without_seeds(layer.get_config()))

    return _clone(model, draw_layer)


def compile_like(model: Any, source: Any, **changes: Any) -> None:
    """Compiles `model` as `source` is, with copies of what has state.

    Args:
        model: The model to compile.
        source: A compiled model.
        **changes: Arguments of `compile` that differ.
    """
    config = dict(source._compile_config.config)
    with model.distribute_strategy.scope():
        config["optimizer"] = optimizers.copy(source.optimizer)
        for name in ("metrics", "weighted_metrics"):
            config[name] = tf.nest.map_structure(_copy_metric, config[name])
        model.compile(**config | changes)


def _clone(
    model: Any, clone_layer: Callable[[Any], Any], policy: str | None = None
) -> Any:
    """`clone_model` that keeps shared layers, nested models, flags and policies.

    Args:
        model: The model.
        clone_layer: Makes the copy of a layer.
        policy: That of the models themselves, inside layers too; default: their own.
    """
    clones: dict[int, Any] = {}

    def clone(layer: Any) -> Any:
        if id(layer) not in clones:
            nested = isinstance(layer, keras.Model)
            clones[id(layer)] = clone_nested(layer) if nested else clone_layer(layer)
        return clones[id(layer)]

    def clone_nested(layer: Any) -> Any:
        with _policy(policy or layer.dtype_policy):
            cloned = keras.models.clone_model(layer, clone_function=clone)
        # Not `trainable`: that would set the flags of the layers inside, too.
        cloned._trainable = layer._trainable
        return cloned

    return clone_nested(model)


def _check_sharing(model: Any) -> None:
    """Raises if a layer is in two layers, whose copies would not share its weights."""
    owners: dict[int, str] = {}
    for path, layer in named_layers(model).items():
        for part in layer._flatten_layers():
            owner = owners.setdefault(id(part), path)
            if owner != path and part.weights:
                raise ValueError(
                    "A layer may be used several times, but not as one of the model "
                    "and inside another, or inside two: copies of these would not "
                    f"share it. Received: {part.name!r} ({type(part).__name__}), used "
                    f"in {owner!r} and in {path!r}."
                )


def _hold_when_compiled(model: Any) -> None:
    compile_model = model.compile

    def compile(*args: Any, **kwargs: Any) -> None:
        compile_model(*args, **kwargs)
        if not optimizers.is_held(model.optimizer):
            masks = {ref: found[0] for ref, found in mask_variables(model).items()}
            with model.distribute_strategy.scope():
                optimizers.hold(model.optimizer, masks, model.trainable_variables)

    model.compile = compile  # a second `compile` must not lose the masks


def _copy_layer(layer: Any) -> Any:
    return _copied("layer", layer)


def _copy_metric(metric: Any) -> Any:
    return (
        _copied("metric", metric)
        if isinstance(metric, keras.metrics.Metric)
        else metric
    )


def _copied(kind: str, original: Any, **changes: Any) -> Any:
    try:
        return type(original).from_config(original.get_config() | changes)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise ValueError(
            f"Every {kind} must be able to be copied by `from_config(get_config())`. "
            f"Received: {original.name!r} ({type(original).__name__}): {error}"
        ) from error


def _without_seeds(config: Any, key: str = "") -> Any:
    """A layer's configuration without the seeds of its initialisers."""
    if isinstance(config, list | tuple):
        parts = [_without_seeds(part, key) for part in config]
        return tuple(parts) if isinstance(config, tuple) else parts
    if not isinstance(config, dict):
        return config
    changed = {k: _without_seeds(v, k) for k, v in config.items()}
    own = changed.get("config")
    if "initializer" in key and isinstance(own, dict) and "seed" in own:
        changed["config"] = own | {"seed": None}
    return changed


def _in_float32(config: Any, key: str = "") -> Any:
    """A layer's configuration with float32 for half precision, inside it, too."""
    if key == "dtype" and config is not None:
        policy = keras.src.mixed_precision.policy.deserialize(config)
        return "float32" if policy.compute_dtype in _HALF else config
    if isinstance(config, list | tuple):
        parts = [_in_float32(part) for part in config]
        return tuple(parts) if isinstance(config, tuple) else parts
    if isinstance(config, dict):
        return {key: _in_float32(part, key) for key, part in config.items()}
    return config


@contextlib.contextmanager
def _policy(policy: Any) -> Iterator[None]:
    """The global dtype policy for a while."""
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)


@contextlib.contextmanager
def _variable_generators(seed: int) -> Iterator[None]:
    """Random layers made inside keep their generator's state in a variable."""
    experimental = keras.backend.experimental
    enabled = experimental.is_tf_random_generator_enabled()
    seeds = keras.src.backend._SEED_GENERATOR
    before = getattr(seeds, "generator", None)
    experimental.enable_tf_random_generator()
    seeds.generator = random.Random(seed)
    try:
        yield
    finally:
        seeds.generator = before
        if not enabled:
            experimental.disable_tf_random_generator()
