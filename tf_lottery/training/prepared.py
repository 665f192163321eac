"""A model that is ready to be searched: checked, copied, proved, masked, compiled."""

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tf_lottery.bindings.parts import Devices, Searched
from tf_lottery.bindings.protocol import Binding
from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import State
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import Ticket
from tf_lottery.training.data import SeededData
from tf_lottery.training.reinitialise import Source
from tf_lottery.training.workers import Workers

Callbacks = (
    Sequence[Any] | Callable[[int, int, str | None], Sequence[Any] | None] | None
)


class Notes(NamedTuple):
    """Sentences: what is good to know, and what may be a mistake."""

    plain: list[str]
    warnings: list[str]


@dataclass(frozen=True)
class Prepared:
    """What all trainings of one model share.

    Attributes:
        original: The user's model, or what the user's function returned; callbacks
            must not use it.
        callbacks: Checked callbacks, or the function that makes them.
        source: Draws initial states.
        searched: The masked copy.
        data: The data of the plan's seed.
        initial: The state that the copy began with.
    """

    binding: Binding
    devices: Devices
    workers: Workers
    original: Any
    callbacks: Any
    source: Source
    searched: Searched
    data: SeededData
    initial: State
    allow_early_stop: bool

    def dense(self, plan: Plan, state: State) -> Ticket:
        """The ticket that keeps every weight."""
        masks = Masks.full(self.searched.live.shapes)
        architecture = self.searched.architecture
        return Ticket(masks, state, plan=plan, architecture=architecture)

    def callbacks_of(self, number: int, replicate: int, control: str | None) -> Any:
        """The callbacks of one training, by the number of the round."""
        if not callable(self.callbacks):
            return list(self.callbacks)
        made = self.callbacks(number, replicate, control)
        made = self.binding.checked_callbacks(made)
        self.binding.check_use_no_other(made, self.original)
        return list(made)

    def notes(self, data: SeededData, plan: Plan) -> Notes:
        """What a user should know before a search by a plan, on data of its seed."""
        plain, warnings = [], []
        lengths = plan.lengths(data.feed.steps_per_epoch)
        if self.devices.processes.replicas > 1:
            plain.append(f"{self.devices.in_words()}.")
        if skipped := self.searched.skipped:
            layers = ", ".join(skipped)
            plain.append(f"Not pruned, because these layers have no kernel: {layers}")
        plain += _small_part(self.dense(plan, self.initial))
        plain += data.notes
        if self.file_lacks:
            warnings.append(
                "The ticket of this search can be used in this process, but its model "
                "cannot be made from its file alone: keep the code of the model. "
                f"{self.file_lacks}"
            )
        if "val" not in data.evaluated:
            warnings.append(
                "Without `validation_data` the training score decides, and no ticket "
                "can be called winning."
            )
        elif lengths.last <= (plan.evaluate_every or lengths.per_epoch):
            warnings.append(
                f"Each training of {lengths.last:,} steps is validated only once, at "
                "its end: which network learns earlier cannot be seen. Train longer, "
                "or pass a smaller `evaluate_every`."
            )
        if names := self._may_stop():
            warnings.append(
                f"{', '.join(names)} may end a training early. All tickets of a search "
                "are trained for the same time, so the search fails if that happens. "
                "Leave it out, or pass `allow_early_stop=True`."
            )
        return Notes(plain, warnings)

    def _may_stop(self) -> list[str]:
        """The classes of callbacks that can end a training, which is not allowed."""
        if self.allow_early_stop or callable(self.callbacks):
            return []
        return [type(each).__name__ for each in self.callbacks if _stops(type(each))]

    @functools.cached_property
    def file_lacks(self) -> str:
        """Why no model can be made from a ticket's file alone; empty if one can."""
        plan = self.data.plan
        return self.binding.lacks(self.dense(plan, self.initial), plan.seed)

    @property
    def origin(self) -> Any:
        """A copy of the user's model if a file is not enough to make it; else None."""
        model = self.source.model
        return self.binding.compiled_copy(model) if self.file_lacks else None


def _small_part(dense: Ticket) -> list[str]:
    """A note if fewer than half of the parameters of a model can be pruned."""
    prunable, all_ = dense.masks.size, dense.parameters
    if 2 * prunable >= all_:
        return []
    return [
        f"Only {prunable:,} of {all_:,} parameters ({prunable / all_:.1%}) can be "
        "pruned. Densities are fractions of these; a ticket says how much it keeps of "
        "the whole model."
    ]


def _stops(callback: type) -> bool:
    """Whether a method of a callback names what ends a training."""
    methods = itertools.chain.from_iterable(vars(c).values() for c in callback.__mro__)
    codes = (getattr(each, "__code__", None) for each in methods)
    return any("stop_training" in code.co_names for code in codes if code)
