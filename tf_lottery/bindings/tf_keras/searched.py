"""The copy that is searched: masked, proved, compiled as the user's model is now."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from tf_lottery.bindings.tf_keras import hold, models
from tf_lottery.bindings.tf_keras.checks import model as checks
from tf_lottery.bindings.tf_keras.copying import proof
from tf_lottery.bindings.tf_keras.layers import named_weights, skipped_layers
from tf_lottery.bindings.tf_keras.live import Live
from tf_lottery.bindings.tf_keras.masked import masked_copy
from tf_lottery.bindings.tf_keras.rebuilding.ticket_model import describe
from tf_lottery.bindings.tf_keras.seeds import seeded
from tf_lottery.bindings.tf_keras.tfmot.wrap import compile_like
from tf_lottery.core.masks import Masks
from tf_lottery.core.plan import Plan
from tf_lottery.core.seeds import derive


@dataclass(frozen=True)
class Searched:
    """A compiled copy of a model.

    Attributes:
        model: The copy.
        architecture: The model and how it is compiled, see `describe`.
        group: The most steps of one call of its train function.
        given: The `steps_per_execution` that the user compiled with.
        skipped: Layers with a matrix that is not pruned.
    """

    model: Any
    architecture: Mapping[str, Any] | None
    group: int
    given: int
    skipped: list[str]


def searched(
    model: Any,
    plan: Plan,
    strategy: Any,
    last_step: int,
    callbacks: Any,
    inputs: Any = None,
) -> Searched:
    """The copy of a model that a plan's trainings train.

    Args:
        model: A built, compiled model, which is not changed.
        plan: What is pruned, and how it is retrained.
        strategy: The one that trains.
        last_step: The last step of a training.
        callbacks: Those of the search: some have to see each batch.
        inputs: A batch to compare the copy on, if one can be read at no cost.

    Raises:
        ValueError: A model that cannot be copied, or from which nothing can be pruned.
    """
    checks.check_adapted(model)
    seed = derive(plan.seed, "generators")
    copied = masked_copy(model, seed, strategy, asked=plan.layer_rates)
    with strategy.scope():
        proof.prove(copied, model, lambda: seeded(seed), inputs)
    _check_pruned(copied, model, plan)
    checks.warn_of_not_rewound(copied)
    checks.check_optimizer(model.optimizer)
    with strategy.scope():
        optimizer = models.optimizer(model, plan, last_step)
    architecture = describe(model, optimizer)
    group = models.group_size(model, callbacks)
    compile_like(copied, model, optimizer=optimizer, steps_per_execution=group)
    given = int(model._steps_per_execution.numpy())
    copied._compile_config.config["steps_per_execution"] = given  # saved with a model
    for name in ("compile", "fit"):
        setattr(copied, name, functools.partial(_refuse, name))
    weights = named_weights(model), named_weights(copied)
    hold.copy_values(model.optimizer, weights[0], copied.optimizer, weights[1])
    return Searched(copied, architecture, group, given, skipped_layers(copied))


def _refuse(name: str, *args: Any, **kwargs: Any) -> NoReturn:
    """In place of a method that a callback must not call."""
    raise RuntimeError(
        "A callback must neither compile nor train the model: the search does both. "
        f"Received: a call of `model.{name}`. Compile the model before the search; in "
        "a callback assign to variables, such as `model.optimizer.learning_rate`."
    )


def _check_pruned(copied: Any, model: Any, plan: Plan) -> None:
    """Raises unless the plan's rates fit the model, and its constraints keep zeros."""
    masks = Masks.full(Live(copied).shapes)
    checks.check_prunable(masks, model)
    checks.check_rates(plan.layer_rates, model)
    rates, weights = plan.rates(masks), named_weights(copied)
    checks.check_constraints({path: weights[path] for path in rates if rates[path]})
