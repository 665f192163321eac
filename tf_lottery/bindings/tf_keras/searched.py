"""The copy that is searched: masked, proved, compiled as the user's model is now.

Its layers, weights, files and summary are those of the user's model: callbacks see
what they see in Keras' `fit`. tfmot's wrappers, which hold the masks, are outside the
graph: inside it, masks would be among `model.get_weights()`.
"""

import functools
import types
from collections.abc import Collection, Sequence
from typing import Any

from tf_lottery.bindings.parts import Examples, Searched
from tf_lottery.bindings.shared.callbacks import refuse_call
from tf_lottery.bindings.shared.model_checks import check_prunable
from tf_lottery.bindings.tf_keras import comparable, hold, models
from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.bindings.tf_keras.checks import model as checks
from tf_lottery.bindings.tf_keras.checks.examples import check_examples
from tf_lottery.bindings.tf_keras.checks.own_steps import (
    check_evaluate,
    check_logs,
    check_loss,
    has_own,
)
from tf_lottery.bindings.tf_keras.copying import proof
from tf_lottery.bindings.tf_keras.copying.attributes import WRAPPERS
from tf_lottery.bindings.tf_keras.copying.copier import copy_model
from tf_lottery.bindings.tf_keras.copying.fixed import fixed_values
from tf_lottery.bindings.tf_keras.engine import Engine
from tf_lottery.bindings.tf_keras.guard import guard
from tf_lottery.bindings.tf_keras.layers import (
    named_layers,
    named_weights,
    skipped_layers,
    weights_to_mask,
)
from tf_lottery.bindings.tf_keras.live import Live
from tf_lottery.bindings.tf_keras.process import seeded
from tf_lottery.bindings.tf_keras.rebuilding.ticket_model import describe
from tf_lottery.bindings.tf_keras.tfmot.wrap import (
    check_sharing,
    compile_like,
    mask_variables,
)
from tf_lottery.bindings.tf_keras.tfmot.wrapper import wrap_layer
from tf_lottery.bindings.tf_shared.data.feeding import first_inputs
from tf_lottery.bindings.tf_shared.devices import Devices
from tf_lottery.core.masks import Masks
from tf_lottery.core.plan import Plan
from tf_lottery.core.seeds import derive


def searched(
    model: Any, examples: Examples, plan: Plan, devices: Devices, callbacks: Any
) -> Searched:
    """See `Binding.searched`; the model is built and compiled, and not changed."""
    checks.warn_if_trained(model, plan)
    checks.check_adapted(model)
    copied = _masked(model, examples, plan, devices)
    with devices.scope():
        last_step = plan.last_step(examples.feed.steps_per_epoch)
        optimizer = models.optimizer(model, plan, last_step)
    architecture = describe(model, optimizer)
    engine = _compiled(copied, model, optimizer, callbacks)
    # Of its own: it does not know variables that tracing makes, and they are refused.
    _check(engine, Live(copied), model, architecture, examples)
    return Searched(
        engine,
        Live(copied),
        architecture,
        fixed_values(model),
        skipped_layers(copied),
        comparable.unknown(copied, architecture, callbacks, examples),
    )


def _masked(model: Any, examples: Examples, plan: Plan, devices: Devices) -> Any:
    """A masked copy, proved to be one, that the plan can prune."""
    seed = derive(plan.seed, "generators")
    copied = _masked_copy(model, seed, devices.strategy, plan.layer_rates)
    with devices.scope():
        proof.prove(copied, model, lambda: seeded(seed), first_inputs(examples))
    masks = Masks.full(Live(copied).shapes)
    check_prunable(masks, model)
    checks.check_rates(plan.layer_rates, model)
    rates, weights = plan.rates(masks), named_weights(copied)
    checks.check_constraints({path: weights[path] for path in rates if rates[path]})
    checks.warn_of_not_rewound(copied)
    checks.check_optimizer(model.optimizer)
    return copied


def _masked_copy(model: Any, seed: int, strategy: Any, asked: Collection[str]) -> Any:
    """An uncompiled copy of a built model with masks, which are all ones; see `wrap`.

    What is assigned to a weight of it leaves pruned weights at zero.
    """
    check_sharing(model)
    with strategy.scope():
        copied = copy_model(model, seed)
        pruned = weights_to_mask(copied, asked)
        wrappers = {}
        for path, layer in named_layers(copied).items():
            if id(layer) in pruned:
                wrappers[path] = wrap_layer(layer, pruned[id(layer)])
                with tf.name_scope(wrappers[path].name):
                    wrappers[path].build(None)  # the layer is built
        # Keras neither tracks this nor saves it: it is neither an attribute that was
        # set in its way, nor a container that it looks into.
        object.__setattr__(copied, WRAPPERS, types.MappingProxyType(wrappers))
        masks = mask_variables(copied)
        masked = [w for w in named_weights(copied).values() if w.ref() in masks]
        for weight in masked:
            guard(weight, masks[weight.ref()][0])
    _mask_what_is_loaded(copied, masked)
    return copied


def _mask_what_is_loaded(model: Any, weights: Sequence[Any]) -> None:
    """TensorFlow's checkpoints are loaded into variables without `assign`."""
    load_weights = model.load_weights

    def load(*args: Any, **kwargs: Any) -> Any:
        status = load_weights(*args, **kwargs)
        for weight in weights:
            weight.assign(tf.convert_to_tensor(weight))
        return status

    model.load_weights = load


def _compiled(copied: Any, model: Any, optimizer: Any, callbacks: Any) -> Engine:
    """Compiles the copy as the model is, with the values of its optimizer."""
    group = models.group_size(model, callbacks)
    compile_like(copied, model, optimizer=optimizer, steps_per_execution=group)
    given = int(model._steps_per_execution.numpy())
    copied._compile_config.config["steps_per_execution"] = given  # saved with a model
    for name in ("compile", "fit"):
        setattr(copied, name, functools.partial(refuse_call, name))
    hold.copy_values(model, copied)
    return Engine(copied, group, given)


def _check(
    engine: Engine, live: Live, model: Any, architecture: Any, examples: Examples
) -> None:
    """Raises unless data, loss and metrics fit, and steps read no foreign variable."""
    copied, spec = engine.model, examples.feed.spec

    def check(have_traced: bool = False) -> None:
        check_examples(copied, examples, have_traced)
        if examples.evaluated:
            check_evaluate(copied)
        if "val" in examples.evaluated:
            check_loss(copied)

    # A step of the user makes its metrics when it is traced, see `check_targets`.
    own_step, have_traced = has_own(copied, "train_step"), False
    traced: list[Any] = []
    if not own_step:
        check()
    # Keras' own code reaches no variable of the model that was passed.
    if comparable.own_code(copied, architecture):
        try:
            traced = list(engine.traced(spec, examples.evaluated))
        except Exception:
            check()  # says more than Keras does
            raise
        have_traced = len(traced) == 1 + len(examples.evaluated)
    if own_step:
        check(have_traced)
    if have_traced:
        check_logs([step.structured_outputs for step in traced])
    for step in traced:
        proof.check_captures(step, model, live.known(copied), copied)
