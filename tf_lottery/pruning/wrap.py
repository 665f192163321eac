"""A copy of the user's model in tfmot's wrappers, whose masks hold by themselves.

What tfmot does in a step that a lottery ticket does not need (counting, asking
the schedule, sorting, masking all weights anew, averaging them over replicas)
is taken out; the wrappers stay `PruneLowMagnitude`, so that `strip_pruning`,
`prune_scope` and `PruningSummaries` work.
"""

import contextlib
import random
import types
from collections.abc import Iterator
from typing import Any

from tensorflow_model_optimization.python.core.sparsity.keras import pruning_wrapper

from tf_lottery._keras import keras, sparsity, tf
from tf_lottery.pruning import optimizer as optimizers
from tf_lottery.pruning.layers import prunable_weights
from tf_lottery.pruning.schedule import HeldMasks


def wrap(model: Any, seed: int = 0) -> Any:
    """An uncompiled, masked copy of a built model; the masks are all ones.

    The copy has the model's weights. Its random layers (Dropout) draw from
    generators that are variables, seeded by `seed`, so that their state can be
    saved: tf_keras' default generator cannot be resumed.
    """
    with model.distribute_strategy.scope(), _policy("float32"):
        # Under a mixed policy tfmot would wrap in another precision (FACTS).
        wrapped = sparsity.prune_low_magnitude(
            copy_model(model, seed),
            pruning_schedule=HeldMasks(),
            pruning_policy=_KernelsOnly(),
        )
    # Losses and metrics may be given by the names of the outputs.
    wrapped.output_names = list(model.output_names)
    for wrapper in wrappers(wrapped):
        _call_layer_only(wrapper)
    _hold_when_compiled(wrapped)
    return wrapped


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
    copies: dict[int, Any] = {}

    def copy(layer: Any) -> Any:
        if id(layer) not in copies:
            nested = isinstance(layer, keras.Model)
            copies[id(layer)] = clone(layer) if nested else _copy_layer(layer)
        return copies[id(layer)]

    def clone(layer: Any) -> Any:
        return keras.models.clone_model(layer, clone_function=copy)

    with _policy(model.dtype_policy), _variable_generators(seed):
        copied = clone(model)
    for mine, theirs in zip(copied.weights, model.weights, strict=True):
        mine.assign(theirs)
    return copied


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


class _KernelsOnly(sparsity.PruningPolicy):
    """Wraps the layers that have a weight to prune, and lets all others be."""

    def allow_pruning(self, layer: Any) -> bool:
        return bool(prunable_weights(layer))

    def ensure_model_supports_pruning(self, model: Any) -> None:
        pass


def _call_layer_only(wrapper: Any) -> None:
    wrapper.call = types.MethodType(_call, wrapper)
    wrapper._autocast = False  # the layer casts for itself
    wrapper._supports_masking = wrapper.layer.supports_masking
    wrapper.compute_mask = wrapper.layer.compute_mask  # Embedding(mask_zero=True)


def _call(self: Any, inputs: Any, training: Any = None, **kwargs: Any) -> Any:
    """`PruneLowMagnitude.call` without the pruning.

    It calls the layer, not its `call`, so that the layer's own dtype policy,
    mask and activity regularizer apply.
    """
    if self.layer._expects_training_arg:
        kwargs["training"] = training
    if not self.layer._expects_mask_arg:
        kwargs.pop("mask", None)
    return self.layer(inputs, **kwargs)


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
    try:
        return type(layer).from_config(layer.get_config())
    except (NotImplementedError, TypeError, ValueError) as error:
        raise ValueError(
            "Every layer must be able to be copied by `from_config(get_config())`. "
            f"Received: {layer.name!r} ({type(layer).__name__}): {error}"
        ) from error


def _copy_metric(metric: Any) -> Any:
    if isinstance(metric, keras.metrics.Metric):
        return type(metric).from_config(metric.get_config())
    return metric


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
