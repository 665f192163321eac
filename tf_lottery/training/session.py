"""What a training of a search needs to know, except for its ticket."""

import copy

from tf_lottery.core.plan import Plan
from tf_lottery.core.steps import Lengths
from tf_lottery.training.data import SeededData
from tf_lottery.training.pace import Pace
from tf_lottery.training.passes import Passes
from tf_lottery.training.prepared import Prepared


class Session:
    """A prepared model with the plan of a replicate and the data of its seed.

    Attributes:
        pace: How many steps of training one call may take.
        passes: The passes over validation and test data.
    """

    def __init__(
        self, prepared: Prepared, plan: Plan, data: SeededData, replicate: int = 0
    ) -> None:
        self.prepared = prepared
        self.plan = plan
        self.data = data
        self.replicate = replicate
        engine = prepared.searched.engine
        self.pace = Pace(engine.least, engine.group)
        self.passes = Passes(engine, data.evaluated)

    def with_plan(self, plan: Plan, replicate: int = 0) -> "Session":
        """The session of another plan; its length, seed and `rewind_to` may differ."""
        if plan.seed != self.plan.seed:
            return Session(self.prepared, plan, self.data.of(plan), replicate)
        other = copy.copy(self)
        other.plan, other.replicate = plan, replicate
        return other

    @property
    def lengths(self) -> Lengths:
        """The steps of an epoch, of a training, and where later tickets start."""
        return self.plan.lengths(self.data.feed.steps_per_epoch)

    @property
    def monitors(self) -> list[str]:
        """The scores that could decide; the first is the default."""
        head = "val_" if "val" in self.data.evaluated else ""
        return [f"{head}{name}" for name in self.prepared.searched.engine.metrics]

    def check(self) -> None:
        """Raises unless the monitor and the rewind step of the plan can be used."""
        plan, lengths = self.plan, self.lengths
        if lengths.rewind >= lengths.last:
            raise ValueError(
                "`rewind_to` must be before the last step of training, "
                f"{lengths.last}. Received: rewind_to={plan.rewind_to!r}."
            )
        monitors = self.monitors
        if plan.monitor not in (None, *monitors):
            raise ValueError(
                f"`monitor` must be one of {', '.join(map(repr, monitors))}. "
                f"Received: monitor={plan.monitor!r}."
            )
