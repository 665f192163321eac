"""The copy that is searched: masked, proved, compiled as the user's model is now.

It is of the user's class, with the user's layers and names: callbacks see what they see
in Keras' `fit`.
"""

import functools
from typing import Any

from tf_lottery.bindings.keras3 import comparable, hold, models
from tf_lottery.bindings.keras3._imports import backend
from tf_lottery.bindings.keras3.checks import model as checks
from tf_lottery.bindings.keras3.checks.examples import check_examples
from tf_lottery.bindings.keras3.copying.compiled import masked_copy
from tf_lottery.bindings.keras3.copying.fixed import fixed_values
from tf_lottery.bindings.keras3.copying.proof import prove
from tf_lottery.bindings.keras3.copying.reached import checked_step
from tf_lottery.bindings.keras3.data import feeding
from tf_lottery.bindings.keras3.devices import scope_of
from tf_lottery.bindings.keras3.engines import engine
from tf_lottery.bindings.keras3.layers import named_weights, skipped_layers
from tf_lottery.bindings.keras3.live import Live
from tf_lottery.bindings.keras3.process import seeded
from tf_lottery.bindings.keras3.rebuilding.describe import describe
from tf_lottery.bindings.parts import Devices, Examples, Searched
from tf_lottery.bindings.shared.callbacks import refuse_call
from tf_lottery.bindings.shared.model_checks import check_prunable
from tf_lottery.core.masks import Masks
from tf_lottery.core.plan import Plan
from tf_lottery.core.seeds import derive


def searched(
    model: Any, examples: Examples, plan: Plan, devices: Devices, callbacks: Any
) -> Searched:
    """See `Binding.searched`; the model is built and compiled, and not changed."""
    with backend.programs_kept():
        return _searched(model, examples, plan, devices, callbacks)


def _searched(
    model: Any, examples: Examples, plan: Plan, devices: Devices, callbacks: Any
) -> Searched:
    checks.warn_if_trained(model, plan)
    checks.check_adapted(model)
    checks.check_optimizer(model.optimizer)
    checks.warn_if_not_invisible(model.optimizer)
    with scope_of(model):
        last_step = plan.last_step(examples.feed.steps_per_epoch)
        optimizer = models.optimizer(model, plan, last_step)
    architecture = describe(model, optimizer)
    copied = _masked(model, examples, plan, optimizer)
    group, given = models.group_size(model, callbacks), model.steps_per_execution
    for name in ("compile", "fit", "train_on_batch"):
        vars(copied)[name] = functools.partial(refuse_call, name)
    checked = functools.partial(checked_step, copied, model)
    made, live = engine(copied, group, given, checked), Live(copied)
    return Searched(
        made,
        live,
        architecture,
        fixed_values(model),
        skipped_layers(copied),
        comparable.unknown(model, architecture, callbacks, examples),
        made.lanes_of(live),
    )


def _masked(model: Any, examples: Examples, plan: Plan, optimizer: Any) -> Any:
    """A masked copy, proved to be one, that the plan can prune."""
    seed = derive(plan.seed, "generators")
    copied = masked_copy(model, seed, asked=plan.layer_rates, optimizer=optimizer)
    hold.copy_values(model.optimizer, optimizer)
    check_examples(copied, examples)
    prove(copied, model, lambda: seeded(seed), feeding.first_inputs(examples))
    masks = Masks.full(Live(copied).shapes)
    check_prunable(masks, model)
    checks.check_rates(plan.layer_rates, model)
    rates, weights = plan.rates(masks), named_weights(copied)
    checks.check_constraints({path: weights[path] for path in rates if rates[path]})
    checks.warn_of_not_rewound(copied)
    return copied
