"""What the optimizers of both Kerases have in common."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Slot:
    """A variable that an optimizer keeps for a weight."""

    name: str  # that the optimizer gives it, such as "momentum"
    variable: Any
    neutral: Any  # its value before step 1


def neutral(start: Any) -> Any:
    """A slot's value before its first step; 0 for a copy of the weights (EMA).

    Ftrl and Adagrad start from 0.1, and a zero there would be a NaN for Ftrl.
    """
    first = start.reshape(-1)[0]
    return first if np.all(start == first) else first * 0


def inner_of(optimizer: Any) -> Any:
    """The optimizer inside one that scales the loss; else itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def copy(optimizer: Any) -> Any:
    """A fresh optimizer of the same configuration, without state."""
    try:
        return type(optimizer).from_config(optimizer.get_config())
    except (NotImplementedError, TypeError, ValueError) as error:
        raise ValueError(
            "The optimizer, and its learning rate schedule, must be able to be copied "
            "by `from_config(get_config())`. "
            f"Received: {type(optimizer).__name__}: {error}"
        ) from error


class LastRateBase:
    """Follows a schedule up to step `steps - 1`, and keeps its rate from there on.

    Fine-tuning continues with the last learning rate (arXiv 2003.02389), while
    the optimizer's iterations continue counting.

    Attributes:
        schedules: The module of schedules of the Keras.
    """

    schedules: Any

    def __init__(self, schedule: Any, steps: int) -> None:
        self.schedule = schedule
        self.steps = steps

    def get_config(self) -> dict[str, Any]:
        schedule = self.schedules.serialize(self.schedule)
        return {"schedule": schedule, "steps": self.steps}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(cls.schedules.deserialize(config["schedule"]), config["steps"])
