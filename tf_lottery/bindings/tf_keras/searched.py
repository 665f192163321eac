"""The copy that is searched: masked, proved, compiled as the user's model is now."""

import functools
from typing import Any, NoReturn

from tf_lottery.bindings.parts import Examples, Searched
from tf_lottery.bindings.tf_keras import comparable, hold, models
from tf_lottery.bindings.tf_keras.checks import model as checks
from tf_lottery.bindings.tf_keras.checks.examples import check_examples
from tf_lottery.bindings.tf_keras.checks.own_steps import (
    check_evaluate,
    check_logs,
    check_loss,
    has_own,
)
from tf_lottery.bindings.tf_keras.copying import proof
from tf_lottery.bindings.tf_keras.copying.fixed import fixed_values
from tf_lottery.bindings.tf_keras.data.feeding import first_inputs
from tf_lottery.bindings.tf_keras.devices import Devices
from tf_lottery.bindings.tf_keras.engine import Engine
from tf_lottery.bindings.tf_keras.layers import named_weights, skipped_layers
from tf_lottery.bindings.tf_keras.live import Live
from tf_lottery.bindings.tf_keras.masked import masked_copy
from tf_lottery.bindings.tf_keras.process import seeded
from tf_lottery.bindings.tf_keras.rebuilding.ticket_model import describe
from tf_lottery.bindings.tf_keras.tfmot.wrap import compile_like
from tf_lottery.core.masks import Masks
from tf_lottery.core.plan import Plan
from tf_lottery.core.seeds import derive


def searched(
    model: Any, examples: Examples, plan: Plan, devices: Devices, callbacks: Any
) -> Searched:
    """See `Binding.searched`; the model is built and compiled, and not changed."""
    checks.check_adapted(model)
    copied = _masked(model, examples, plan, devices)
    with devices.scope():
        last_step = plan.last_step(examples.feed.steps_per_epoch)
        optimizer = models.optimizer(model, plan, last_step)
    architecture = describe(model, optimizer)
    engine = _compiled(copied, model, optimizer, callbacks)
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
    copied = masked_copy(model, seed, devices.strategy, asked=plan.layer_rates)
    with devices.scope():
        proof.prove(copied, model, lambda: seeded(seed), first_inputs(examples))
    masks = Masks.full(Live(copied).shapes)
    checks.check_prunable(masks, model)
    checks.check_rates(plan.layer_rates, model)
    rates, weights = plan.rates(masks), named_weights(copied)
    checks.check_constraints({path: weights[path] for path in rates if rates[path]})
    checks.warn_of_not_rewound(copied)
    checks.check_optimizer(model.optimizer)
    return copied


def _compiled(copied: Any, model: Any, optimizer: Any, callbacks: Any) -> Engine:
    """Compiles the copy as the model is, with the values of its optimizer."""
    group = models.group_size(model, callbacks)
    compile_like(copied, model, optimizer=optimizer, steps_per_execution=group)
    given = int(model._steps_per_execution.numpy())
    copied._compile_config.config["steps_per_execution"] = given  # saved with a model
    for name in ("compile", "fit"):
        setattr(copied, name, functools.partial(_refuse, name))
    hold.copy_values(model, copied)
    return Engine(copied, group, given)


def _refuse(name: str, *args: Any, **kwargs: Any) -> NoReturn:
    """Stands for a method that a callback must not call."""
    raise RuntimeError(
        "A callback must neither compile nor train the model: the search does both. "
        f"Received: a call of `model.{name}`. Compile the model before the search; in "
        "a callback assign to variables, such as `model.optimizer.learning_rate`."
    )


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
