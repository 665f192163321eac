"""The trainers of trials: one compiled model serves all trials that have it."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from tf_lottery.bindings.tf_keras import hold
from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.bindings.tf_keras.checks.model import check_keras, check_model
from tf_lottery.bindings.tf_keras.copying.fixed import fixed_values
from tf_lottery.bindings.tf_keras.layers import asked_for, named_weights
from tf_lottery.bindings.tf_keras.models import called
from tf_lottery.bindings.tf_keras.rebuilding.ticket_model import describe
from tf_lottery.core.plan import Plan
from tf_lottery.training.trainer import Trainer


class Trainers:
    """Makes the trainers of a sweep.

    Args:
        dataset: See `find_ticket`.
        **arguments: The other arguments of `Trainer`.
    """

    def __init__(self, dataset: Any, **arguments: Any) -> None:
        self._dataset = dataset
        self._arguments = arguments
        self._last: tuple[str, Trainer] | None = None

    def of(self, model: Callable[[], Any], plan: Plan) -> Trainer:
        """The trainer of a plan and of a function that returns a model.

        The trainer of the last call is used again, and nothing is compiled again, if
        its model and how that is compiled are known to be the same.
        """
        strategy = self._arguments.get("strategy")
        strategy = None if isinstance(strategy, str) else strategy
        key = _key(called(model, plan.seed, strategy), plan)
        if self._last and self._last[0] == key and not self._last[1].unknown:
            return self._last[1].searching(plan)
        trainer = Trainer(model, self._dataset, plan, **self._arguments)
        if self._arguments.get("strategy"):
            # A name would make another strategy, and a process can have only few.
            self._arguments["strategy"] = trainer.strategy
        self._last = key, trainer
        return trainer.searching(plan)


def weights_digest(model: Any) -> str:
    """A hash of the weights and the optimizer's values.

    The function that makes the model may draw, set or load them.
    """
    digest = hashlib.sha256()
    optimizer = hold.variables(model.optimizer, {}).values()
    for variable in [*named_weights(model).values(), *optimizer]:
        value = variable.numpy()
        digest.update(str((value.dtype, value.shape)).encode() + value.tobytes())
    return digest.hexdigest()


def _key(model: Any, plan: Plan) -> str:
    """What a compiled model depends on: configuration, weights, parts of the plan."""
    check_keras(model)
    if isinstance(model, keras.Model):
        check_model(model)
    fine_tunes = plan.retrain == "fine_tune"
    length = [plan.epochs, plan.steps] if fine_tunes else None
    feed = [plan.seed, plan.batch_size, plan.steps_per_epoch]
    asked = sorted(asked_for(plan.layer_rates))
    values = fixed_values(model) if getattr(model, "built", False) else {}
    what = [describe(model), weights_digest(model), values]
    return json.dumps([*what, fine_tunes, length, feed, asked])
