"""The trainers of trials: one compiled model serves all trials that have it."""

import json
from collections.abc import Callable
from typing import Any

from tf_lottery import bindings
from tf_lottery.core.plan import Plan
from tf_lottery.training.trainer import Trainer


class Trainers:
    """Makes the trainers of a sweep, with the arguments of `Trainer` for its data."""

    def __init__(self, dataset: Any, **arguments: Any) -> None:
        self._dataset = dataset
        self._arguments = arguments
        self._last: tuple[str, Trainer] | None = None

    def of(self, model: Callable[[], Any], plan: Plan) -> Trainer:
        """The trainer of a plan and of a function that returns a model.

        That of the last call is used again if its compiled model is known to be the
        same.
        """
        key = self.key(model, plan)
        if self._last and self._last[0] == key and not self._last[1].facts["unknown"]:
            return self._last[1].with_plan(plan)
        trainer = Trainer(model, self._dataset, plan, **self._arguments)
        self._last = key, trainer
        return trainer.with_plan(plan)

    def key(self, model: Callable[[], Any], plan: Plan) -> str:
        """What a compiled model depends on: its identity, and parts of the plan."""
        strategy = self._arguments.get("strategy")
        given = None if isinstance(strategy, str) else strategy
        binding, made, _ = bindings.binding_and_model(model, plan.seed, given)
        identity = binding.identity_of(made, plan.layer_rates)
        fine_tunes = plan.retrain == "fine_tune"
        length = [plan.epochs, plan.steps] if fine_tunes else None
        feed = [plan.seed, plan.batch_size, plan.steps_per_epoch]
        return json.dumps([identity, fine_tunes, length, feed])
