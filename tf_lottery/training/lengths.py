"""The lengths of a plan's trainings on some data, in optimizer steps."""

from typing import NamedTuple

from tf_lottery.core.plan import Plan


class Lengths(NamedTuple):
    """Optimizer steps.

    Attributes:
        per_epoch: Of an epoch.
        last: Of a training from the initialisation: its last step.
        rewind: The step whose state returns after pruning.
    """

    per_epoch: int
    last: int
    rewind: int

    @classmethod
    def of(cls, plan: Plan, per_epoch: int) -> "Lengths":
        """The lengths of a plan, for epochs of some steps."""
        return cls(per_epoch, plan.last_step(per_epoch), plan.rewind_step(per_epoch))
