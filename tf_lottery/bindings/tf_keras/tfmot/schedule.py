"""The schedule of a lottery: when masks are decided, and by which rule.

tfmot asks a schedule at each step whether to rank weights again. The answer here is
always no: tfmot's ranking would bring removed weights back and keep every tie. Masks
are decided between trainings, by `RewindWeights` or `find_ticket`.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from tf_lottery.bindings.tf_keras._imports import keras, sparsity, tf
from tf_lottery.core.callables import function_of
from tf_lottery.core.plan import Plan

_ALONE = (
    "A LotterySchedule prunes nothing by itself. Pass the callback "
    "`tf_lottery.RewindWeights(schedule)` to `fit`."
)


@keras.saving.register_keras_serializable("tf_lottery")
class LotterySchedule(sparsity.PruningSchedule):
    """Holds masks through training; `RewindWeights` decides them at each round's end.

    Args:
        rounds: How many times weights are pruned.
        steps_per_round: Optimizer steps from one pruning to the next.
        pruning_rate, layer_rates, scope, criterion: See `tf_lottery.Plan`.
        block_size: See `tf_lottery.Plan`. That of `prune_low_magnitude` has no effect.
        begin_step: The step at which the first round begins.

    Example:
        ```python
        schedule = LotterySchedule(rounds=5, steps_per_round=1000)
        model = prune_low_magnitude(model, pruning_schedule=schedule)
        model.compile(...)
        model.fit(dataset, epochs=6, callbacks=[RewindWeights(schedule)])
        ```
    """

    def __init__(
        self,
        rounds: int,
        steps_per_round: int,
        pruning_rate: float = 0.2,
        layer_rates: Mapping[str, float] | None = None,
        scope: str = "layerwise",
        criterion: str | Callable[..., Any] = "magnitude",
        block_size: tuple[int, int] = (1, 1),
        begin_step: int = 0,
    ) -> None:
        self.plan = Plan.of({**locals(), "steps": steps_per_round})
        if begin_step < 0:
            raise ValueError(
                f"`begin_step` must be >= 0. Received: begin_step={begin_step}."
            )
        self.begin_step = begin_step
        self.attached = tf.Variable(False, trainable=False, name="attached")

    @property
    def boundaries(self) -> list[int]:
        """The steps after which weights are pruned, counted from the first."""
        plan = self.plan
        assert plan.steps is not None
        return [self.begin_step + n * plan.steps for n in range(1, plan.rounds + 1)]

    def __call__(self, step: Any) -> tuple[Any, Any]:
        """Never asks tfmot for new masks; fails where no callback decides them."""
        check = tf.debugging.Assert(self.attached, [_ALONE])  # None if eager
        with tf.control_dependencies([check] if check is not None else []):
            return tf.constant(False), tf.constant(0.0)

    def get_config(self) -> dict[str, Any]:
        plan = self.plan.to_json()
        names = inspect.signature(type(self)).parameters
        config = {name: plan[name] for name in names if name in plan}
        config |= {"steps_per_round": plan["steps"], "begin_step": self.begin_step}
        return {"class_name": "tf_lottery>LotterySchedule", "config": config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "LotterySchedule":
        return cls(**config | {"criterion": function_of(config["criterion"])})


@keras.saving.register_keras_serializable("tf_lottery")
class HeldMasks(sparsity.PruningSchedule):
    """Never ranks: the masks of a model that `find_ticket` trains."""

    def __init__(self) -> None:
        pass

    def __call__(self, step: Any) -> tuple[Any, Any]:
        return tf.constant(False), tf.constant(0.0)

    def get_config(self) -> dict[str, Any]:
        return {"class_name": "tf_lottery>HeldMasks", "config": {}}
