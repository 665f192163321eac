"""What must hold of a plan before anything is trained by it."""

from collections.abc import Sequence
from typing import Any

from tf_lottery.core.plan import Plan


def check_is_plan(plan: Any) -> None:
    """Raises unless it is a plan."""
    if not isinstance(plan, Plan):
        raise TypeError(
            f"`plan` must be a tf_lottery.Plan. Received: {type(plan).__name__}."
        )


def check_plan(plan: Plan, steps_per_epoch: int, monitors: Sequence[str]) -> None:
    """Raises unless the plan can be followed: its monitor and its step to rewind to."""
    last_step = plan.last_step(steps_per_epoch)
    if plan.rewind_step(steps_per_epoch) >= last_step:
        raise ValueError(
            f"`rewind_to` must be before the last step of training, {last_step}. "
            f"Received: rewind_to={plan.rewind_to!r}."
        )
    if plan.monitor not in (None, *monitors):
        raise ValueError(
            f"`monitor` must be one of {', '.join(map(repr, monitors))}. "
            f"Received: monitor={plan.monitor!r}."
        )
