"""What feeds of batches share: what is said where batches are missing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tf_lottery.bindings.parts import Batches
from tf_lottery.core.kept import kept


@dataclass(frozen=True)
class FeedBase:
    """The training batches of a seed, see `parts.Feed`.

    Attributes:
        begin: Begins the data of a training.
        is_promised: Whether the length of a pass was counted or promised; another
            length is then an error.
        advice: What to do if a pass ends early.
    """

    steps_per_epoch: int
    pass_length: int | None
    spec: Any
    example_spec: Any
    begin: Callable[[], Batches]
    repeatable: bool = True
    note: str = ""
    is_promised: bool = False
    advice: str = ""

    def ended_early(self, step: int, what: str) -> Exception:
        """What to raise if there is no batch for a step."""
        if self.pass_length is None:
            return RuntimeError(
                "`dataset` must have a batch for each step of all trainings. Received: "
                f"one that ended in {what} at step {step:,}. {self.advice}{kept()}"
            )
        return self.other_length(step % self.pass_length, step, what)

    def other_length(self, received: Any, step: int, what: str) -> Exception:
        """What to raise for a pass of another length than the first."""
        return RuntimeError(
            "`dataset` must have as many batches in each pass as were counted or "
            f"promised, {self.pass_length}. Received: {received} in a pass of {what}, "
            f"at step {step:,}. {self.advice}{kept()}"
        )
