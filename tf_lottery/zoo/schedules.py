"""The learning rates of the paper's residual and VGG networks."""

from collections.abc import Sequence
from typing import Any

from tf_lottery._keras import keras, tf


@keras.utils.register_keras_serializable("tf_lottery")
class StepDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that drops at some steps, after a linear warm-up.

    It depends on the optimizer's step alone, so it is rewound with it.

    Args:
        learning_rate: The rate after the warm-up.
        drops: The optimizer steps from which on it is ten times smaller each.
        warm_up: The steps in which it rises linearly from 0.
        factor: By which it is multiplied at a drop.

    Raises:
        ValueError: Drops that do not ascend, or a rate or factor that is not positive.

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
        if list(drops) != sorted(drops) or any(drop < 1 for drop in drops):
            raise ValueError(
                "`drops` must be positive steps that ascend. Received: "
                f"drops={list(drops)}."
            )
        self.learning_rate = learning_rate
        self.drops = list(drops)
        self.warm_up = warm_up
        self.factor = factor

    def __call__(self, step: Any) -> Any:
        step = tf.cast(step, tf.float32)
        rate = tf.constant(self.learning_rate)
        if self.warm_up:
            rate *= tf.minimum(step / self.warm_up, 1.0)
        for drop in self.drops:
            rate = tf.where(step < drop, rate, rate * self.factor)
        return rate

    def scaled(self, by: float) -> "StepDecay":
        """That of a training that is so many times as long: its steps scaled.

        Args:
            by: Such as 0.1 for a tenth of the length.
        """
        drops = [max(1, round(drop * by)) for drop in self.drops]
        warm_up = round(self.warm_up * by)
        return StepDecay(self.learning_rate, drops, warm_up, self.factor)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {
            "learning_rate": self.learning_rate,
            "drops": self.drops,
            "warm_up": self.warm_up,
            "factor": self.factor,
        }
