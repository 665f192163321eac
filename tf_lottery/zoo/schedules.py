"""The learning rates of the paper's residual and VGG networks."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tf_lottery.zoo._frameworks import keras, operations


@keras.utils.register_keras_serializable("tf_lottery")
class StepDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that drops at some steps, after a linear warm-up.

    It depends only on the optimizer's step, so it is rewound with it.

    Args:
        learning_rate: The rate after the warm-up.
        drops: The optimizer steps at which the rate is multiplied by `factor`.
        warm_up: The number of steps in which it rises linearly from 0.
        factor: What the rate is multiplied by at each drop.

    Raises:
        ValueError: `drops` is not a list of ascending steps, or a rate or factor is not
            positive.

    Example:
        ```python
        optimizer = keras.optimizers.SGD(StepDecay(0.1, [20_000, 25_000]), momentum=0.9)
        ```
    """

    def __init__(
        self,
        learning_rate: float,
        drops: Sequence[int] = (),
        warm_up: int = 0,
        factor: float = 0.1,
    ) -> None:
        super().__init__()
        if not learning_rate > 0 or not factor > 0 or warm_up < 0:
            raise ValueError(
                "`learning_rate` and `factor` must be positive, and `warm_up` not "
                f"negative. Received: learning_rate={learning_rate}, factor={factor}, "
                f"warm_up={warm_up}."
            )
        steps = np.asarray(drops)
        whole = steps.ndim == 1 and (steps.dtype.kind in "iu" or not steps.size)
        if not whole or (np.diff(steps, prepend=1) < 0).any():
            raise ValueError(
                "`drops` must be a list of positive steps that ascend. Received: "
                f"drops={drops!r}."
            )
        self.learning_rate = float(learning_rate)
        self.drops = [int(drop) for drop in drops]
        self.warm_up = int(warm_up)
        self.factor = float(factor)

    def __call__(self, step: Any) -> Any:
        step = operations.cast(step, "float32")
        rate = operations.cast(self.learning_rate, "float32")
        if self.warm_up:
            rate = rate * operations.minimum(step / self.warm_up, 1.0)
        for drop in self.drops:
            rate = operations.where(step < drop, rate, rate * self.factor)
        return rate

    def scaled(self, by: float) -> "StepDecay":
        """The schedule of a training `by` times as long, such as 0.1 for a tenth."""
        drops = [max(1, round(drop * by)) for drop in self.drops]
        warm_up = round(self.warm_up * by)
        return StepDecay(self.learning_rate, drops, warm_up, self.factor)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the schedule."""
        names = ("learning_rate", "drops", "warm_up", "factor")
        return {name: getattr(self, name) for name in names}
